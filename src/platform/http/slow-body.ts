/*
 * Ends requests whose body does not come: bodies that are read whole are held in memory while they
 * come, so each may take only so long. Lines are read as they come, hold nothing, and are exempt;
 * them, and headers, Node's own timeouts end.
 */
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { LINE_TYPES } from './raw-body.js';
import { hasBody } from './whole-body.js';
import { writeProblem } from './wire-problem.js';

/** Holds every body that is read whole to a time, after which the sender is answered 408 and cut off. */
export function limitBodyTime(instance: FastifyInstance, timeoutMs: number): void {
  instance.addHook('preParsing', (request, reply, payload, done) => {
    if (hasBody(request) && !isStream(request)) {
      const timer = setTimeout(() => {
        giveUp(request, reply, timeoutMs);
      }, timeoutMs);
      const stop = (): void => {
        clearTimeout(timer);
      };
      request.raw.once('end', stop).once('close', stop);
    }
    done(null, payload);
  });
}

function isStream({ routeOptions, headers }: FastifyRequest): boolean {
  const { streamsLines } = (routeOptions.config ?? {}) as { streamsLines?: boolean };
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return streamsLines === true && LINE_TYPES.includes(type);
}

/** Past Fastify, which would wait for the end of the body, or take the connection before its answer. */
function giveUp(request: FastifyRequest, reply: FastifyReply, timeoutMs: number): void {
  if (!reply.sent) {
    reply.hijack();
    const detail = `The body did not come within ${timeoutMs} ms.`;
    writeProblem(request.raw.socket, { status: 408, code: 'timeout', detail });
  }
}
