/*
 * Aim: the differences explain the gap to the cent, whatever happens at Stripe, and no repair is proposed
 * that could bill anybody twice.
 * Method: tables of single cases, and properties over invoices that were tampered with at random.
 */
import fc from 'fast-check';
import { INVOICE_STATES } from '../../src/billing/invoices/invoice.js';
import { LINE_ITEM_STATES } from '../../src/billing/ledger/line-item-state.js';
import { compareInvoice, compareOrphans } from '../../src/billing/reconciliation/compare.js';
import {
  type LedgerInvoice,
  type LedgerLine,
  type SeenInvoice,
  type SeenItem,
  type StripeSide,
} from '../../src/billing/reconciliation/sides.js';
import {
  type Difference,
  DIFFERENCE_CLASSES,
  REPAIRS,
  rankOf,
  wordsOf,
} from '../../src/billing/reconciliation/difference.js';
import { isInFlight } from '../../src/billing/reconciliation/in-flight.js';
import { nightOf, type Reconciliation } from '../../src/billing/reconciliation/reconciliation.js';
import {
  differenceLines,
  headOf,
  totalLines,
  writeLines,
} from '../../src/billing/reconciliation/report-lines.js';
import {
  areEqual,
  explainedBy,
  gapsOf,
  plusCompared,
} from '../../src/billing/reconciliation/totals.js';
import { STRIPE_INVOICE_STATUSES } from '../../src/stripe/stripe-object.js';

const line = (change: Partial<LedgerLine> = {}): LedgerLine => ({
  id: 'li_1',
  amountMinor: 4538n,
  currency: 'usd',
  description: 'Requests',
  state: 'on_invoice',
  stripeInvoiceItemId: 'ii_1',
  ...change,
});

const item = (change: Partial<SeenItem> = {}): SeenItem => ({
  id: 'ii_1',
  invoice: 'in_1',
  named: 'li_1',
  description: 'Requests',
  amountMinor: 4538n,
  currency: 'usd',
  creditedMinor: 0n,
  ...change,
});

const head = (change: Partial<SeenInvoice> = {}): SeenInvoice => ({
  id: 'in_1',
  status: 'draft',
  named: 'inv_1',
  foreignCount: 0,
  credits: [],
  ...change,
});

const ledger = (change: Partial<LedgerInvoice> = {}): LedgerInvoice => ({
  id: 'inv_1',
  customerId: 'cus_1',
  state: 'draft',
  stripeInvoiceId: 'in_1',
  isInFlight: false,
  lines: [line()],
  ...change,
});

const sideOf = (invoices: readonly SeenInvoice[], items: readonly SeenItem[]): StripeSide => ({
  invoices: new Map(invoices.map((invoice) => [invoice.id, invoice])),
  items,
});

const shownOf = (ours: LedgerInvoice, side: StripeSide): string[] =>
  compareInvoice(ours, side).found.map(
    (found) => `${found.class} ${found.repair} ${found.stripeId ?? '-'}`,
  );

const open = head({ status: 'open' });

describe('compareInvoice', () => {
  it.each<[string, LedgerInvoice, StripeSide, string[]]>([
    ['what agrees', ledger(), sideOf([head()], [item()]), []],
    [
      'what was paid',
      ledger({ state: 'paid', lines: [line({ state: 'paid' })] }),
      sideOf([head({ status: 'paid' })], [item()]),
      [],
    ],
    [
      'what both have voided',
      ledger({ state: 'void', lines: [line({ state: 'void' })] }),
      sideOf([head({ status: 'void' })], [item()]),
      [],
    ],
    [
      'what never got there',
      ledger({ lines: [line({ state: 'failed', stripeInvoiceItemId: null })] }),
      sideOf([head()], []),
      ['missing send_again -'],
    ],
    [
      'what never got there, when it is final',
      ledger({ lines: [line({ state: 'failed', stripeInvoiceItemId: null })] }),
      sideOf([open], []),
      ['missing bill_again -'],
    ],
    [
      'what is final here and gone there',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([open], []),
      ['deleted by_hand -'],
    ],
    ['a draft that Stripe lost', ledger(), sideOf([], []), ['deleted follow -']],
    [
      'a draft that is known to be lost',
      ledger({ state: 'deleted', lines: [line({ state: 'failed' })] }),
      sideOf([], []),
      ['deleted bill_again -'],
    ],
    [
      'a final invoice that Stripe does not know',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([], []),
      ['deleted by_hand -'],
    ],
    [
      'a draft that could not be made',
      ledger({
        state: 'pending',
        stripeInvoiceId: null,
        lines: [line({ state: 'failed', stripeInvoiceItemId: null })],
      }),
      sideOf([], []),
      ['missing send_again -'],
    ],
    [
      'what is deleted here and still there',
      ledger({ state: 'deleted', lines: [line({ state: 'failed' })] }),
      sideOf([head()], [item()]),
      ['state by_hand ii_1'],
    ],
    [
      'another amount on a draft',
      ledger(),
      sideOf([head()], [item({ amountMinor: 1n })]),
      ['amount replace_item ii_1'],
    ],
    [
      'another amount when it is final',
      ledger({ state: 'open' }),
      sideOf([open], [item({ amountMinor: 1n })]),
      ['amount by_hand ii_1'],
    ],
    [
      'another currency on no invoice',
      ledger(),
      sideOf([head()], [item({ invoice: null, currency: 'eur' })]),
      ['currency replace_item ii_1'],
    ],
    [
      'another description',
      ledger(),
      sideOf([head()], [item({ description: null })]),
      ['edited replace_item ii_1'],
    ],
    [
      'another description when it is final',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([open], [item({ description: null })]),
      ['edited by_hand ii_1'],
    ],
    [
      'what names another line item',
      ledger({ lines: [line(), line({ id: 'li_2', stripeInvoiceItemId: null })] }),
      sideOf([head()], [item({ named: 'li_2' })]),
      ['edited replace_item ii_1', 'missing send_again -'],
    ],
    [
      'what is on another invoice',
      ledger(),
      sideOf(
        [head(), head({ id: 'in_2', status: 'paid', named: null })],
        [item({ invoice: 'in_2' })],
      ),
      ['edited by_hand ii_1'],
    ],
    [
      'one too many on a draft',
      ledger(),
      sideOf([head()], [item(), item({ id: 'ii_2' })]),
      ['duplicate delete_item ii_2'],
    ],
    [
      'one too many, of which the known one stays',
      ledger({ lines: [line({ stripeInvoiceItemId: 'ii_2' })] }),
      sideOf([head()], [item(), item({ id: 'ii_2' })]),
      ['duplicate delete_item ii_1'],
    ],
    [
      'one too many that is final',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([open], [item(), item({ id: 'ii_2' })]),
      ['duplicate by_hand ii_2'],
    ],
    [
      'one too many on a voided invoice',
      ledger(),
      sideOf(
        [head(), head({ id: 'in_2', status: 'void' })],
        [item(), item({ id: 'ii_2', invoice: 'in_2' })],
      ),
      [],
    ],
    [
      'one on a voided invoice and one that counts',
      ledger({ lines: [line({ stripeInvoiceItemId: 'ii_2' })] }),
      sideOf(
        [head({ status: 'void' }), head({ id: 'in_2', named: null, status: 'open' })],
        [item(), item({ id: 'ii_2', invoice: 'in_2' })],
      ),
      ['edited by_hand ii_2'],
    ],
    [
      'a voided invoice',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([head({ status: 'void' })], [item()]),
      ['voided follow ii_1'],
    ],
    [
      'what is void here alone',
      ledger({ state: 'void', lines: [line({ state: 'void' })] }),
      sideOf([open], [item()]),
      ['state by_hand ii_1'],
    ],
    ['what was finalized by somebody', ledger(), sideOf([open], [item()]), ['state follow ii_1']],
    [
      'what failed though it is there',
      ledger({ lines: [line({ state: 'failed' })] }),
      sideOf([head()], [item()]),
      ['state send_again ii_1'],
    ],
    [
      'a duplicate that a credit note has settled',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([open], [item(), item({ id: 'ii_2', creditedMinor: 4538n })]),
      [],
    ],
    [
      'a duplicate of which a credit note takes a part',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([open], [item(), item({ id: 'ii_2', creditedMinor: 4500n })]),
      ['duplicate by_hand ii_2'],
    ],
    [
      'a duplicate whose first one was credited instead',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([open], [item({ creditedMinor: 4538n }), item({ id: 'ii_2' })]),
      ['edited by_hand ii_2'],
    ],
    [
      'an amount that a credit note has put right',
      ledger({ state: 'open', lines: [line({ state: 'finalized' })] }),
      sideOf([open], [item({ amountMinor: 5000n, creditedMinor: 462n })]),
      [],
    ],
    [
      'what was credited though it was right',
      ledger({ state: 'paid', lines: [line({ state: 'paid' })] }),
      sideOf([head({ status: 'paid' })], [item({ creditedMinor: 38n })]),
      ['credited by_hand ii_1'],
    ],
    [
      'what was credited in full',
      ledger({ state: 'paid', lines: [line({ state: 'paid' })] }),
      sideOf([head({ status: 'paid' })], [item({ creditedMinor: 4538n })]),
      ['credited by_hand ii_1'],
    ],
    [
      'what was credited of an invoice as a whole',
      ledger({ state: 'paid', lines: [line({ state: 'paid' })] }),
      sideOf(
        [head({ status: 'paid', credits: [{ id: 'cn_1', amountMinor: 5n, currency: 'usd' }] })],
        [item()],
      ),
      ['credited by_hand cn_1'],
    ],
    [
      'what is void here, and was credited in full there',
      ledger({ state: 'void', lines: [line({ state: 'void' })] }),
      sideOf([open], [item({ creditedMinor: 4538n })]),
      [],
    ],
    [
      'a second draft',
      ledger(),
      sideOf([head(), head({ id: 'in_2' })], [item()]),
      ['duplicate delete_invoice in_2'],
    ],
    [
      'a second draft with something else on it',
      ledger(),
      sideOf([head(), head({ id: 'in_2', foreignCount: 1 })], [item()]),
      ['duplicate by_hand in_2'],
    ],
  ])('tells %s', (_, ours, side, found) => {
    expect(shownOf(ours, side)).toEqual(found);
  });

  const amount = fc.bigInt({ min: -10_000n, max: 10_000n });
  const currency = fc.constantFrom('usd', 'eur', 'jpy', 'isk');
  const lines = fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('li_1', 'li_2', 'li_3', 'li_4'),
      amountMinor: amount,
      currency,
      description: fc.constantFrom('A', 'B'),
      state: fc.constantFrom(...LINE_ITEM_STATES),
      stripeInvoiceItemId: fc.constantFrom(null, 'ii_1', 'ii_2', 'ii_3'),
    }),
    { selector: ({ id }) => id, maxLength: 4 },
  );
  const invoices = fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('in_1', 'in_2', 'in_3'),
      status: fc.constantFrom(...STRIPE_INVOICE_STATUSES),
      named: fc.constantFrom(null, 'inv_1', 'inv_2'),
      foreignCount: fc.nat({ max: 1 }),
      credits: fc.array(
        fc.record({
          id: fc.constantFrom('cn_1', 'cn_2'),
          amountMinor: fc.bigInt({ min: 1n, max: 500n }),
          currency,
        }),
        { maxLength: 2 },
      ),
    }),
    { selector: ({ id }) => id, maxLength: 3 },
  );
  const items = fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('ii_1', 'ii_2', 'ii_3', 'ii_4', 'ii_5'),
      invoice: fc.constantFrom(null, 'in_1', 'in_2', 'in_3'),
      named: fc.constantFrom(null, 'li_1', 'li_2', 'li_3', 'li_9'),
      description: fc.constantFrom(null, 'A', 'B'),
      amountMinor: amount,
      currency,
      creditedMinor: fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 10_000n })),
    }),
    { selector: ({ id }) => id, maxLength: 5 },
  );
  const known = fc.uniqueArray(fc.constantFrom('ii_1', 'ii_2', 'ii_3'), { maxLength: 3 });
  const worlds = fc
    .record({
      ours: fc.record({
        lines,
        state: fc.constantFrom(...INVOICE_STATES),
        stripeInvoiceId: fc.constantFrom(null, 'in_1'),
        known,
      }),
      side: fc.record({ invoices, items }),
    })
    .map(({ ours, side }) => ({
      // No two line items know the same item: it is unique in the table.
      ours: ledger({
        ...ours,
        lines: ours.lines.map((one, index) => ({
          ...one,
          stripeInvoiceItemId:
            one.stripeInvoiceItemId === null ? null : (ours.known[index] ?? null),
        })),
      }),
      side: sideOf(side.invoices, side.items),
    }));

  it('explains the gap exactly, whatever is where', () => {
    fc.assert(
      fc.property(worlds, ({ ours, side }) => {
        const compared = compareInvoice(ours, side);
        const orphans = compareOrphans(side, ({ named }) => named === 'li_9' || named === 'inv_2');
        const totals = plusCompared(plusCompared(new Map(), compared), orphans);
        expect(explainedBy([...compared.found, ...orphans.found])).toEqual(gapsOf(totals));
      }),
      { numRuns: 1_000 },
    );
  });

  it('proposes to change only what can be changed, and to bill only what Stripe does not', () => {
    fc.assert(
      fc.property(worlds, ({ ours, side }) => {
        for (const found of compareInvoice(ours, side).found) {
          const place = side.invoices.get(found.stripeInvoiceId ?? '');
          if (found.repair === 'delete_item' || found.repair === 'replace_item') {
            expect(found.stripeInvoiceId === null || place?.status === 'draft').toBe(true);
          }
          if (found.repair === 'delete_invoice') {
            expect(place).toMatchObject({ status: 'draft', foreignCount: 0 });
            expect(found.stripeId).not.toBe(ours.stripeInvoiceId);
          }
          if (found.repair === 'bill_again') {
            expect(side.items.filter(({ named }) => named === found.lineItemId)).toEqual(
              side.items.filter(
                ({ id, named }) =>
                  named === found.lineItemId &&
                  ours.lines.some((one) => one.stripeInvoiceItemId === id),
              ),
            );
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('finds nothing where everything is as it was sent', () => {
    fc.assert(
      fc.property(lines, (some) => {
        const sent = some.map((one, index) => ({
          ...one,
          state: 'on_invoice' as const,
          stripeInvoiceItemId: `ii_${index}`,
        }));
        const there = sent.map((one) =>
          item({ ...one, id: one.stripeInvoiceItemId, named: one.id, invoice: 'in_1' }),
        );
        expect(shownOf(ledger({ lines: sent }), sideOf([head()], there))).toEqual([]);
      }),
    );
  });
});

describe('wordsOf', () => {
  it('says of every class and repair what is done', () => {
    const words = REPAIRS.flatMap((repair) =>
      DIFFERENCE_CLASSES.map((one) => wordsOf(repair, one)),
    );
    expect(words.filter((text) => !/^[A-Z].{20,}\.$/.test(text))).toEqual([]);
  });

  it('orders repairs so that nothing is sent before what is too much is gone', () => {
    expect(rankOf('delete_item')).toBeLessThan(rankOf('replace_item'));
    expect(rankOf('replace_item')).toBeLessThan(rankOf('send_again'));
  });
});

describe('isInFlight', () => {
  it.each([
    ['pending pending pending', true],
    ['succeeded pending pending', true],
    ['succeeded succeeded pending', true],
    ['succeeded succeeded succeeded', false],
    ['failed pending pending', false],
    ['succeeded failed pending', false],
    ['succeeded failed failed', false],
    ['abandoned abandoned abandoned', false],
  ])('takes %s for %p', (states, expected) => {
    const kinds = ['create_invoice', 'create_item', 'finalize_invoice'] as const;
    const syncs = states.split(' ').map((state, index) => ({
      kind: kinds[index]!,
      state: state as 'pending' | 'succeeded' | 'failed' | 'abandoned',
    }));
    expect(isInFlight(syncs)).toBe(expected);
  });

  it('waits for its draft while nothing is queued', () => {
    expect(isInFlight([])).toBe(true);
  });

  it('goes on with the other items when one has failed', () => {
    expect(
      isInFlight([
        { kind: 'create_invoice', state: 'succeeded' },
        { kind: 'create_item', state: 'failed' },
        { kind: 'create_item', state: 'pending' },
      ]),
    ).toBe(true);
  });
});

describe('nightOf', () => {
  it('is of the whole days before this one, from its hour on', () => {
    expect(nightOf(new Date('2026-12-20T02:59:59.999Z'), 3, 2)).toBeNull();
    expect(nightOf(new Date('2026-12-20T23:00:00Z'), null, 2)).toBeNull();
    expect(nightOf(new Date('2026-12-20T03:00:00Z'), 3, 2)).toEqual({
      date: '2026-12-20',
      window: { start: new Date('2026-12-18T00:00:00Z'), end: new Date('2026-12-20T00:00:00Z') },
    });
  });
});

describe('a report', () => {
  const difference = (change: Partial<Difference>): Difference => ({
    id: 'dif_1',
    reconciliationId: 'rec_1',
    class: 'currency',
    repair: 'by_hand',
    lineItemId: 'li_1',
    stripeId: 'ii_1',
    stripeInvoiceId: 'in_1',
    ours: { amountMinor: 4538n, currency: 'usd' },
    theirs: { amountMinor: 500n, currency: 'jpy' },
    detail: '=HYPERLINK("x")',
    invoiceId: 'inv_1',
    customerId: 'cus_1',
    lookedAt: { stripeInvoiceIds: [], stripeItemIds: [] },
    state: 'open',
    requestedBy: null,
    requestedAt: null,
    begunAt: null,
    attemptCount: 0,
    settledAt: null,
    outcome: null,
    ...change,
  });

  it('has a line for each currency of a difference, with numbers as they are and texts that run nowhere', () => {
    expect(writeLines('csv', differenceLines(difference({})))).toBe(
      'difference,usd,45.38,,-45.38,,currency,dif_1,li_1,inv_1,ii_1,in_1,by_hand,open,"\'=HYPERLINK(""x"")",\r\n' +
        'difference,jpy,,500,500,,currency,dif_1,li_1,inv_1,ii_1,in_1,by_hand,open,"\'=HYPERLINK(""x"")",\r\n',
    );
    expect(
      writeLines('ndjson', differenceLines(difference({ ours: null, theirs: null }))),
    ).toContain('"currency":null,"ledger":null,"stripe":null,"gap":null');
  });

  it('has sums also when nothing differs', () => {
    const totals = plusCompared(new Map(), {
      ledger: new Map([
        ['usd', 100n],
        ['isk', 12_300n],
      ]),
      stripe: new Map([
        ['usd', 100n],
        ['isk', 12_300n],
      ]),
    });
    const reconciliation = { totals } as Reconciliation;
    expect(headOf('csv') + writeLines('csv', totalLines(reconciliation))).toBe(
      'record,currency,ledger,stripe,gap,count,class,difference,line_item,invoice,stripe_id,stripe_invoice_id,repair,state,detail,outcome\r\n' +
        'total,isk,123.00,123.00,0.00,,,,,,,,,,,\r\n' +
        'in_flight,isk,0.00,,,0,,,,,,,,,,\r\n' +
        'not_ours,isk,,0.00,,0,,,,,,,,,,\r\n' +
        'total,usd,1.00,1.00,0.00,,,,,,,,,,,\r\n' +
        'in_flight,usd,0.00,,,0,,,,,,,,,,\r\n' +
        'not_ours,usd,,0.00,,0,,,,,,,,,,\r\n',
    );
  });

  it('adds up: the gaps of the differences come to the gap of the total', () => {
    const differences = [
      difference({}),
      difference({ theirs: { amountMinor: 1n, currency: 'usd' } }),
    ];
    const sums = explainedBy(differences);
    expect(
      areEqual(
        sums,
        new Map([
          ['usd', -9075n],
          ['jpy', 500n],
        ]),
      ),
    ).toBe(true);
    const shown = differences.flatMap(differenceLines).map(({ currency, gap }) => [currency, gap]);
    expect(shown).toEqual([
      ['usd', '-45.38'],
      ['jpy', '500'],
      ['usd', '-45.37'],
    ]);
  });
});
