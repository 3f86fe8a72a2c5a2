/*
 * Aim: whoever is left alone within a margin has missed nothing.
 * Method: whatever a margin allows, `judge` itself has nothing to do; and what goes beyond it, it has.
 */
import fc from 'fast-check';
import { type Fired, judge } from '../../src/billing/thresholds/judge.js';
import { type Margin, marginOf, narrowest } from '../../src/billing/thresholds/margin.js';
import { type Levels } from '../../src/billing/thresholds/threshold.js';
import { decimal } from '../../src/kernel/decimal.js';

const absolute = (...levels: string[]): Levels => ({
  kind: 'absolute',
  levels: levels.map((level) => decimal(level)),
});
const percent = (...levels: string[]): Levels => ({
  kind: 'percent',
  levels: levels.map((level) => decimal(level)),
});
const every = (step: string): Levels => ({ kind: 'every', step: decimal(step) });

interface Step {
  readonly value: number;
  /** Whether what is retracted then is armed again. */
  readonly rearms: boolean;
}

const TENTH = decimal('0.1');
const tenths = (count: number) => decimal(String(count)).times(TENTH);

/** What fired on the way of a value, until judging the last of it again would do nothing. */
function firedOn(levels: Levels, included: string | null, way: readonly Step[]): Fired[] {
  let known: Fired[] = [];
  for (const { value, rearms } of way) {
    const terms = { included: included === null ? null : decimal(included), fired: known };
    const { reached, retracted } = judge(levels, tenths(value), terms);
    const ids = new Set(retracted.map(({ id }) => id));
    const rearmedAt = rearms ? new Date(0) : null;
    const left = known.map((one) =>
      ids.has(one.id) ? { ...one, state: 'retracted' as const, rearmedAt } : one,
    );
    // The last crossing of each level, as the store answers it.
    known = [
      ...left.filter((one) => reached.every(({ level }) => !level.eq(one.level))),
      ...reached.map(({ level, bound, armed }): Fired => ({
        ...{ id: `${level.toFixed()}#${armed}`, level, bound, armed },
        ...{ state: 'crossed', rearmedAt: null },
      })),
    ];
  }
  return known;
}

const shown = ({ up, down }: Margin): (string | null)[] => [
  up?.toFixed() ?? null,
  down?.toFixed() ?? null,
];

describe('marginOf', () => {
  const crossed = (level: string, overrides: Partial<Fired> = {}): Fired => ({
    ...{ id: level, level: decimal(level), bound: decimal(level) },
    ...{ armed: 1, state: 'crossed', rearmedAt: null },
    ...overrides,
  });
  const takenBack = { state: 'retracted', rearmedAt: null } as const;
  const armed = { state: 'retracted', rearmedAt: new Date(0) } as const;

  it.each<[string, Levels, string, readonly Fired[], (string | null)[]]>([
    ['reaches to the next level', absolute('10', '20'), '3', [], ['7', null]],
    ['and down to the one that fired', absolute('10', '20'), '12', [crossed('10')], ['8', '2']],
    ['has no end above the last', absolute('10'), '12', [crossed('10')], [null, '2']],
    [
      'passes what was taken back',
      absolute('9', '20'),
      '3',
      [crossed('9', takenBack)],
      ['17', null],
    ],
    ['not what was armed again', absolute('9', '20'), '3', [crossed('9', armed)], ['6', null]],
    ['not what is passed', absolute('9'), '9', [crossed('9', { state: 'passed' })], [null, null]],
    ['reaches to the next step', every('7'), '16', [crossed('7'), crossed('14')], ['5', '2']],
    ['above the highest', every('7'), '3', [crossed('14', takenBack)], ['18', null]],
    ['is nothing where something is due', absolute('10'), '12', [], ['0', null]],
  ])('%s', (_, levels, value, known, margin) => {
    expect(shown(marginOf(levels, decimal(value), { included: null, fired: known }))).toEqual(
      margin,
    );
  });

  it('has no bounds where nothing is included', () => {
    const known = { included: null, fired: [] };
    expect(shown(marginOf(percent('80'), decimal('3'), known))).toEqual([null, null]);
    expect(
      shown(marginOf(percent('80'), decimal('3'), { ...known, included: decimal('50') })),
    ).toEqual(['37', null]);
  });

  it('leaves nothing to do within, and something right beyond', () => {
    const kinds = fc.constantFrom<[Levels, string | null]>(
      [absolute('1', '2.5', '5'), null],
      [percent('10', '50', '100'), '5'],
      [every('0.7'), null],
    );
    const step = fc.record({ value: fc.integer({ min: -20, max: 70 }), rearms: fc.boolean() });
    fc.assert(
      fc.property(
        kinds,
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: -120, max: 120 }), { minLength: 1, maxLength: 20 }),
        ([levels, included], way, moves) => {
          const last = way.at(-1)?.value ?? 0;
          const fired = firedOn(levels, included, [...way, { value: last, rearms: false }]);
          const known = { included: included === null ? null : decimal(included), fired };
          const value = tenths(last);
          const toDo = (move: ReturnType<typeof decimal>): number => {
            const { reached, retracted } = judge(levels, value.plus(move), known);
            return reached.length + retracted.length;
          };
          fc.pre(toDo(decimal('0')) === 0);
          const { up, down } = marginOf(levels, value, known);
          for (const move of moves.map(tenths)) {
            const isWithin =
              (up === null || move.lt(up)) && (down === null || move.gte(down.times('-1')));
            expect(isWithin && toDo(move) > 0).toBe(false);
          }
          expect(up === null || toDo(up) > 0).toBe(true);
          expect(down === null || toDo(down.plus('0.001').times('-1')) > 0).toBe(true);
        },
      ),
    );
  });
});

describe('narrowest', () => {
  it('is that of all together', () => {
    const margin = (up: string | null, down: string | null): Margin => ({
      up: up === null ? null : decimal(up),
      down: down === null ? null : decimal(down),
    });
    expect(shown(narrowest([]))).toEqual([null, null]);
    expect(shown(narrowest([margin('5', null), margin('3', '2'), margin(null, '1')]))).toEqual([
      '3',
      '1',
    ]);
  });
});
