/*
 * To which address each call really went. undici's answers do not tell their socket, but it says on
 * channels of node:diagnostics_channel which request it made (while `request` is being called, since
 * no pool here has a limit) and on which socket that request's headers went out.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type Socket } from 'node:net';

const CREATED = 'undici:request:create';
const SENT = 'undici:client:sendHeaders';

/** One call; its address is null until its headers went out. */
export interface WatchedCall {
  address: string | null;
}

export class AddressWatch {
  private readonly calls = new WeakMap<object, WatchedCall>();
  private starting: WatchedCall | null = null;

  private readonly onCreated = (message: unknown): void => {
    if (this.starting !== null) {
      this.calls.set((message as { request: object }).request, this.starting);
    }
  };

  private readonly onSent = (message: unknown): void => {
    const { request, socket } = message as { request: object; socket: Socket };
    const call = this.calls.get(request);
    if (call !== undefined) {
      call.address = socket.remoteAddress ?? null;
    }
  };

  constructor() {
    subscribe(CREATED, this.onCreated);
    subscribe(SENT, this.onSent);
  }

  /** Starts a call of undici's, whose address is noted in `call`. */
  async start<Answer>(call: WatchedCall, request: () => Promise<Answer>): Promise<Answer> {
    this.starting = call;
    let answer: Promise<Answer>;
    try {
      answer = request();
    } finally {
      this.starting = null;
    }
    return await answer;
  }

  close(): void {
    unsubscribe(CREATED, this.onCreated);
    unsubscribe(SENT, this.onSent);
  }
}
