import { type SyncKind, type SyncState } from '../sync/sync.js';

/**
 * Whether something of an invoice is still to be sent by itself. What waits behind a failure waits for
 * a person, as the queue has it: nothing goes without the draft, and no finalization while an item has failed.
 * An invoice of which nothing was queued yet waits for its draft.
 *
 * @param syncs in the order of their positions
 */
export function isInFlight(
  syncs: readonly { readonly kind: SyncKind; readonly state: SyncState }[],
): boolean {
  const failed = new Set<SyncKind>();
  for (const { kind, state } of syncs) {
    const isBlocked =
      failed.has('create_invoice') || (kind === 'finalize_invoice' && failed.size > 0);
    if (state === 'pending' && !isBlocked) {
      return true;
    }
    if (state === 'failed') {
      failed.add(kind);
    }
  }
  return syncs.length === 0;
}
