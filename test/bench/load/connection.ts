/*
 * HTTP/1.1 by hand, one request at a time on a connection that is kept: a client that does more takes
 * so much of a core that it measures itself. Whatever is not a whole 200 is a fault.
 */
import { connect, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';
const OK = 'HTTP/1.1 200 ';
const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i;
const SHOWN = 400;

export class Connection {
  private readonly socket: Socket;
  private head: Buffer = Buffer.alloc(0);
  /** Bytes of the body that are yet to come; null while the head is not whole. */
  private missing: number | null = null;
  private answered: ((error: Error | null) => void) | null = null;

  constructor(host: string, port: number) {
    this.socket = connect({ host, port, noDelay: true });
    this.socket.on('data', (chunk: Buffer) => {
      this.read(chunk);
    });
    this.socket.on('error', (error) => {
      this.end(error);
    });
    this.socket.on('close', () => {
      this.end(new Error('The service closed a connection.'));
    });
  }

  /** Sends a request; calls back when its answer is there, with an error unless it is a 200. */
  send(request: Buffer, answered: (error: Error | null) => void): void {
    this.answered = answered;
    this.socket.write(request);
  }

  close(): void {
    this.socket.destroy();
  }

  private read(chunk: Buffer): void {
    if (this.missing !== null) {
      this.take(chunk.length);
      return;
    }
    this.head = this.head.length === 0 ? chunk : Buffer.concat([this.head, chunk]);
    const end = this.head.indexOf(HEAD_END);
    if (end === -1) {
      return;
    }
    const text = this.head.toString('latin1', 0, end);
    const length = CONTENT_LENGTH.exec(text)?.[1];
    if (!text.startsWith(OK) || length === undefined) {
      const shown = this.head.toString('utf8', 0, SHOWN);
      this.end(new Error(`The service answered otherwise than with a 200:\n${shown}`));
      return;
    }
    this.missing = Number(length);
    const bodyBytes = this.head.length - end - HEAD_END.length;
    this.head = Buffer.alloc(0);
    this.take(bodyBytes);
  }

  private take(bytes: number): void {
    this.missing = (this.missing ?? 0) - bytes;
    if (this.missing < 0) {
      this.end(new Error('An answer had more bytes than it said.'));
    } else if (this.missing === 0) {
      this.missing = null;
      this.end(null);
    }
  }

  private end(error: Error | null): void {
    const { answered } = this;
    this.answered = null;
    answered?.(error);
  }
}
