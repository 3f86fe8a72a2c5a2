/* The public REST API, as any caller would use it. */

// oxlint-disable-next-line typescript/no-explicit-any -- answers are read as documented
type Json = any;

const POLL_MS = 100;
const PATIENCE_MS = 60_000;

export class Api {
  constructor(
    private readonly base: string,
    private readonly key: string,
  ) {}

  async get(path: string): Promise<Json> {
    return await this.send('GET', path);
  }

  async post(path: string, body: unknown): Promise<Json> {
    return await this.send('POST', path, body);
  }

  /** All pages of a list. */
  async list(path: string): Promise<Json[]> {
    const items: Json[] = [];
    let cursor: string | null = null;
    do {
      const separator = path.includes('?') ? '&' : '?';
      const next = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await this.get(`${path}${separator}limit=200${next}`);
      items.push(...page.data);
      cursor = page.next_cursor;
    } while (cursor !== null);
    return items;
  }

  /** What stands under `path/key`; made by a POST to `path` when there is none yet. */
  async ensure(path: string, key: string, make: () => Promise<unknown>): Promise<Json> {
    const found = await this.raw('GET', `${path}/${key}`);
    return found.status === 404 ? await this.post(path, await make()) : found.body;
  }

  async send(method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await this.raw(method, path, body);
    if (answer.status >= 300) {
      throw new Error(
        `${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`,
      );
    }
    return answer.body;
  }

  private async raw(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: Json }> {
    const response = await fetch(`${this.base}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }
}

/** Asks until the answer is right; what happens by itself takes a moment. */
export async function until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
  for (let waited = 0; waited < PATIENCE_MS; waited += POLL_MS) {
    const answer = await ask();
    if (answer !== null) {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`Waited ${PATIENCE_MS / 1_000} s in vain until ${what}`);
}
