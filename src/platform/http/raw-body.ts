/** For `@RouteConfig`: the route gets the body's bytes as they came, up to the larger limit, and reads them itself. */
export const RAW_BODY = { rawBody: true } as const;

/** The same, but a body of lines comes as a stream, of any length. */
export const RAW_OR_LINES = { rawBody: true, streamsLines: true } as const;

/** One JSON value on each line; the first is the usual name. */
export const LINE_TYPES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl'];
