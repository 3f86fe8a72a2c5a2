/** For `@RouteConfig`: the route gets the body's bytes as they came, up to the larger limit, and reads them itself. */
export const RAW_BODY = { rawBody: true } as const;
