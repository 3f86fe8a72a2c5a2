/* Answers to what is no request, or never becomes one: written to the connection, which then ends. */
import { type Socket } from 'node:net';
import { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Problem } from './problem.dto.js';

type Refusal = Pick<Problem, 'status' | 'code' | 'detail'>;

const PROBLEM_TYPE = 'application/problem+json';
const REFUSALS: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'headers_too_large',
    detail: 'The headers of the request have more than 16 KB.',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: 'too_large',
    detail: 'The extensions of the chunks have more than 16 KB.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'timeout',
    detail: 'The request did not come in time.',
  },
};
const NO_HTTP: Refusal = {
  status: 400,
  code: 'invalid_http',
  detail: 'What was sent is no request of HTTP/1.1.',
};

/** For Fastify: answers what Node's parser of HTTP refuses. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  // Who has gone wants no answer, and a socket may be half closed.
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  writeProblem(socket, REFUSALS[error.code ?? ''] ?? NO_HTTP);
}

/** For Fastify: answers an address that no route can have. */
export function refuseAddress(
  error: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { statusCode: status = 400, message: detail } = error;
  void reply
    .status(status)
    .header('content-type', PROBLEM_TYPE)
    .send(toBytes({ status, code: 'invalid_request', detail }));
}

/** Writes a problem in place of an answer, and ends the connection. */
export function writeProblem(socket: Socket, refusal: Refusal): void {
  const body = toBytes(refusal);
  const head = `HTTP/1.1 ${refusal.status} ${titleOf(refusal)}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  socket.end(Buffer.concat([Buffer.from(head), body]), () => {
    socket.destroy();
  });
}

function toBytes(refusal: Refusal): Buffer {
  const { status, code, detail } = refusal;
  const problem: Problem = { type: 'about:blank', title: titleOf(refusal), status, code, detail };
  return Buffer.from(JSON.stringify(problem));
}

function titleOf({ code }: Refusal): string {
  return code.replaceAll('_', ' ');
}
