/*
 * Reads bodies into memory, as far as there is room: what all requests hold together is bounded. Room is
 * taken as bytes arrive, unpacked, and given back when the request is answered or its connection ends, so
 * that a sender who announces much and sends little keeps nobody out. What finds no room is read to its end
 * without being kept, and then told to come again: many senders look for an answer only after that.
 */
import { type FastifyInstance, type FastifyRequest, type RequestPayload } from 'fastify';
import { DomainError } from '../../kernel/errors.js';
import { type AuthenticatedRequest } from '../access/api-key.guard.js';

/**
 * What bodies may hold together whose senders are known by what is in them, as Stripe's webhooks: apart
 * from the others, so that nobody without a key can take the room of those who have one.
 */
const MAX_UNKNOWN_BYTES = 33_554_432;

type Done = (error: Error | null, body?: Buffer) => void;

/** Bytes that are held together, up to a bound. */
class Room {
  bytes = 0;

  constructor(readonly maxBytes: number) {}
}

/** What one request holds of a room. */
class Hold {
  private bytes = 0;
  private isOver = false;

  constructor(private readonly room: Room) {}

  /** Takes room for more; false when there is none. */
  take(bytes: number): boolean {
    if (this.isOver || this.room.bytes + bytes > this.room.maxBytes) {
      return false;
    }
    this.room.bytes += bytes;
    this.bytes += bytes;
    return true;
  }

  giveBack(): void {
    this.room.bytes -= this.bytes;
    this.bytes = 0;
  }

  /** After this nothing is taken: nobody would give it back. */
  end(): void {
    this.giveBack();
    this.isOver = true;
  }
}

interface HoldingRequest extends AuthenticatedRequest {
  bodyHold: Hold | null;
}

/** How many bytes the bodies of requests hold, those with and those without a key. */
export class BodyRooms {
  private readonly known: Room;
  private readonly unknown = new Room(MAX_UNKNOWN_BYTES);

  /** @param maxBytes that the bodies of all requests with a key may hold */
  constructor(maxBytes: number) {
    this.known = new Room(maxBytes);
  }

  get bytes(): number {
    return this.known.bytes + this.unknown.bytes;
  }

  /** Gives each request with a body its room, and takes it back when the request is over, however it ends. */
  watch(instance: FastifyInstance): void {
    instance.decorateRequest('bodyHold', null);
    instance.addHook('preParsing', (request, reply, payload, done) => {
      if (hasBody(request)) {
        const holding = request as HoldingRequest;
        const hold = new Hold(holding.apiKey === undefined ? this.unknown : this.known);
        holding.bodyHold = hold;
        reply.raw.once('close', () => {
          hold.end();
        });
      }
      done(null, payload);
    });
  }
}

/** Whether the request has a body, or says so. */
export function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Reads a body, and calls back with a DomainError when it is too large for its route, or finds no room. */
export function readWhole(request: FastifyRequest, payload: RequestPayload, done: Done): void {
  const { bodyHold: hold } = request as HoldingRequest;
  const limit = request.routeOptions.bodyLimit;
  if (Number(request.headers['content-length']) > limit) {
    done(tooLarge(limit));
    return;
  }
  let chunks: Buffer[] = [];
  let size = 0;
  let hasRoom = true;
  const stop = (error: Error | null, body?: Buffer): void => {
    payload.off('data', onData).off('end', onEnd).off('error', onError);
    done(error, body);
  };
  const onData = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > limit || (payload.receivedEncodedLength ?? 0) > limit) {
      hold?.giveBack();
      stop(tooLarge(limit));
    } else if (hasRoom && hold?.take(chunk.length) === true) {
      chunks.push(chunk);
    } else if (hasRoom) {
      hasRoom = false;
      chunks = [];
      hold?.giveBack();
    }
  };
  const onEnd = (): void => {
    if (hasRoom) {
      // A copy also of one chunk, which may be a part of a larger buffer that it would keep alive.
      stop(null, Buffer.concat(chunks, size));
    } else {
      stop(noRoom());
    }
  };
  const onError = (error: Error): void => {
    hold?.giveBack();
    stop(Object.assign(error, { statusCode: 400 }));
  };
  // What unpacks a body was paused by who made it.
  payload.on('data', onData).on('end', onEnd).on('error', onError).resume();
}

function tooLarge(limit: number): DomainError {
  return new DomainError('too_large', 'too_large', `The body has more than ${limit} bytes.`);
}

function noRoom(): DomainError {
  return new DomainError(
    'unavailable',
    'unavailable',
    'The service is reading more requests than it can hold.',
  );
}
