/* What an endpoint's secrets are sealed to: taken from one row to another, or from one column to another, they do not open. Pure. */

/** For its secret, and the one before it, which was its secret once. */
export function secretContext(endpointId: string): string {
  return `webhook_endpoints/${endpointId}/secret`;
}

/** For a header that it wants besides ours. */
export function headerContext(endpointId: string, name: string): string {
  return `webhook_endpoints/${endpointId}/headers/${name}`;
}
