/*
 * Aim: a difference that somebody lets stand is not reported again, until anything of it changes.
 * Method: an item is doubled by hand at the double of Stripe, and night after night is compared.
 */
import { AcceptingService } from '../../src/billing/reconciliation/accepting.service.js';
import { AcceptancesStore } from '../../src/billing/reconciliation/acceptances.store.js';
import { DifferencesStore } from '../../src/billing/reconciliation/differences.store.js';
import { Reconciling } from '../support/reconciling.js';
import { type SeededInvoice, type Syncing } from '../support/syncing.js';

const BY = { by: 'key_finance', reason: 'Credited by cn_1.' };

describe('a difference that was accepted', () => {
  let reconciling: Reconciling;
  let syncing: Syncing;
  let accepting: AcceptingService;
  let from: Date;
  let seeded: SeededInvoice;

  beforeAll(async () => {
    reconciling = await Reconciling.start();
    ({ syncing } = reconciling);
    const { database } = syncing.db;
    accepting = new AcceptingService(
      new DifferencesStore(database),
      new AcceptancesStore(database),
      database,
      syncing.clock,
    );
    from = syncing.clock.now();
    seeded = await syncing.seed({ amounts: [4538], finalize: false });
    await syncing.pushAll(syncing.worker(), 1);
    await again();
  });

  afterAll(async () => {
    await reconciling.close();
  });

  /** The item once more, by hand. */
  const again = async (): Promise<void> => {
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    await syncing.sdk.invoiceItems.create({
      customer: seeded.stripeCustomerId ?? '',
      invoice: at?.invoice.id ?? '',
      currency: 'usd',
      amount: 4538,
      metadata: { meterline_line_item: seeded.lineItemIds[0] ?? '' },
    });
  };
  const told = async (reconciliation: string): Promise<unknown[]> =>
    await syncing.db.database.query(
      `SELECT type, body::jsonb -> 'data' -> 'difference_count' AS open,
         body::jsonb -> 'data' -> 'accepted_count' AS accepted
       FROM webhook_messages WHERE body::jsonb -> 'data' ->> 'reconciliation' = $1 ORDER BY sequence`,
      [reconciliation],
    );

  it('is accepted in every report to come, and open again once it changes or is reopened', async () => {
    const first = await reconciling.reconcile(from);
    expect(first).toMatchObject({ differenceCount: 1, acceptedCount: 0 });
    const [found] = await reconciling.differences(first.id);
    const accepted = await accepting.accept(first.id, found?.id ?? '', BY);
    expect(accepted).toMatchObject({ state: 'accepted', requestedBy: BY.by, outcome: BY.reason });
    const other = { by: 'key_other', reason: 'again' };
    expect(await accepting.accept(first.id, found?.id ?? '', other)).toEqual(accepted);

    const second = await reconciling.reconcile(from);
    expect(second).toMatchObject({ state: 'completed', differenceCount: 0, acceptedCount: 1 });
    const [same] = await reconciling.differences(second.id);
    expect(same).toMatchObject({ state: 'accepted', requestedBy: BY.by, outcome: BY.reason });
    expect(await told(second.id)).toEqual([
      { type: 'reconciliation.completed', open: 0, accepted: 1 },
    ]);
    // Repairing all leaves it alone.
    expect(await reconciling.repairs.requestAll(second.id, BY.by)).toBe(0);

    await again();
    const third = await reconciling.reconcile(from);
    expect(third).toMatchObject({ differenceCount: 1, acceptedCount: 1 });
    expect(await told(third.id)).toHaveLength(2);

    expect(await accepting.reopen(second.id, same?.id ?? '')).toMatchObject({
      state: 'open',
      requestedBy: null,
      outcome: null,
    });
    const fourth = await reconciling.reconcile(from);
    expect(fourth).toMatchObject({ differenceCount: 2, acceptedCount: 0 });
  });

  it('is none whose repair was asked for, or that is not there', async () => {
    const { id } = await reconciling.reconcile(from);
    await reconciling.repairs.requestAll(id, BY.by);
    const [queued] = await reconciling.differences(id);
    await expect(accepting.accept(id, queued?.id ?? '', BY)).rejects.toMatchObject({
      code: 'already_settled',
    });
    await expect(accepting.accept(id, 'dif_none', BY)).rejects.toMatchObject({ kind: 'not_found' });
    expect(await accepting.reopen(id, queued?.id ?? '')).toMatchObject({ state: 'queued' });
  });
});
