import type { Fault } from './faults.js';
import { decodeForm, type FormHash } from './form.js';
import type { ApiRequest } from './request.js';

/** One request as seen by the double. */
export interface RequestRecord {
  id: string;
  at: number;
  method: string;
  /** Without its query. */
  path: string;
  /** Parameters of the query or the form, as text. */
  params: FormHash;
  idempotencyKey: string | null;
  /** What was answered, or would have been if the connection had not been dropped. */
  status: number | null;
  replayed: boolean;
  /** The connection was closed without an answer. */
  dropped: boolean;
  fault: Fault['kind'] | null;
}

/** Bound of the log. */
const MAX_RECORDS = 20_000;

export class RequestLog {
  private records: RequestRecord[] = [];

  open(request: ApiRequest, fault: Fault | undefined): RequestRecord {
    const record: RequestRecord = {
      id: request.id,
      at: Date.now(),
      method: request.method,
      path: request.path,
      params: readableForm(request),
      idempotencyKey: request.headers['idempotency-key']?.toString() ?? null,
      status: null,
      replayed: false,
      dropped: false,
      fault: fault?.kind ?? null,
    };
    this.records.push(record);
    this.records.splice(0, this.records.length - MAX_RECORDS);
    return record;
  }

  all(): RequestRecord[] {
    return this.records.map((record) => ({ ...record }));
  }

  clear(): void {
    this.records = [];
  }
}

function readableForm(request: ApiRequest): FormHash {
  try {
    return decodeForm(request.method === 'POST' ? request.body : request.query);
  } catch {
    return { unreadable: request.body };
  }
}
