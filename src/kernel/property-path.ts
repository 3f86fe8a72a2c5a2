/*
 * The subset of JSONPath (RFC 9535) by which a property of an event or a record is named: member names only,
 * `$.region`, `$.user.plan`, `$['odd name'].x`. No wildcards, indices or filters, so that a path
 * always names one value.
 */
const MAX_STEPS = 8;
const MAX_LENGTH = 256;
const STEP = /\.([A-Za-z_][A-Za-z0-9_-]*)|\['((?:[^'\\\0]|\\['\\])+)'\]/y;
const PLAIN_STEP = /^[A-Za-z_][A-Za-z0-9_-]*$/;

export const PROPERTY_PATH_RULE = `must be a path of member names, such as "$.status" or "$['odd name'].x", of at most ${MAX_STEPS} steps`;

/** The member names on the way to the property, or null when the text is no such path. */
export function parsePropertyPath(path: unknown): readonly string[] | null {
  if (typeof path !== 'string' || path.length > MAX_LENGTH || !path.startsWith('$')) {
    return null;
  }
  const steps: string[] = [];
  let position = 1;
  while (position < path.length) {
    STEP.lastIndex = position;
    const match = STEP.exec(path);
    if (match === null) {
      return null;
    }
    steps.push(match[1] ?? (match[2] ?? '').replaceAll(/\\(['\\])/g, '$1'));
    position = STEP.lastIndex;
  }
  const isPath = steps.length > 0 && steps.length <= MAX_STEPS && path.isWellFormed();
  return isPath ? steps : null;
}

/** The path of these member names, as it has to be written. */
export function formatPropertyPath(steps: readonly string[]): string {
  const written = steps.map((step) =>
    PLAIN_STEP.test(step) ? `.${step}` : `['${step.replaceAll(/['\\]/g, String.raw`\$&`)}']`,
  );
  return `$${written.join('')}`;
}
