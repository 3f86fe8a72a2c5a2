/* What was measured: printed as tables, kept for JSON, and held against the aims. */
import { writeFile } from 'node:fs/promises';
import { type Scenario } from './scenario.js';

export interface Column<Row> {
  readonly head: string;
  /** Text, a number, or null for what cannot be measured here. */
  readonly value: (row: Row) => string | number | null;
  readonly digits?: number;
}

export interface Aim {
  readonly name: string;
  readonly target: string;
  readonly measured: string;
  readonly isMet: boolean;
  /** What is profiled when it is missed; null when a profile would not say why. */
  readonly scenario: Scenario | null;
}

interface Table {
  readonly title: string;
  readonly rows: readonly object[];
}

const GAP = '  ';

export class Report {
  readonly aims: Aim[] = [];
  private readonly tables: Table[] = [];

  /** @param header what stands at the top of the JSON */
  constructor(
    private readonly header: object,
    private readonly print: (line: string) => void,
  ) {}

  say(line: string): void {
    this.print(line);
  }

  table<Row extends object>(
    title: string,
    columns: readonly Column<Row>[],
    rows: readonly Row[],
  ): void {
    this.tables.push({ title, rows });
    const texts = rows.map((row) =>
      columns.map((column) => shown(column.value(row), column.digits)),
    );
    const widths = columns.map(({ head }, index) =>
      Math.max(head.length, ...texts.map((cells) => cells[index]?.length ?? 0)),
    );
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, index) =>
          index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0),
        )
        .join(GAP);
    this.print(`\n${title}`);
    this.print(line(columns.map(({ head }) => head)));
    for (const cells of texts) {
      this.print(line(cells));
    }
  }

  aim(aim: Aim): void {
    this.aims.push(aim);
  }

  /** Each aim with what was measured: the last lines. */
  printAims(): void {
    this.table(
      'Aims',
      [
        { head: 'aim', value: ({ name }) => name },
        { head: 'target', value: ({ target }) => target },
        { head: 'measured', value: ({ measured }) => measured },
        { head: '', value: ({ isMet }) => (isMet ? 'met' : 'MISSED') },
      ],
      this.aims,
    );
  }

  async writeJson(file: string): Promise<void> {
    const text = JSON.stringify({ ...this.header, tables: this.tables }, null, 2);
    await writeFile(file, `${text}\n`);
  }
}

function shown(value: string | number | null, digits = 0): string {
  if (value === null) {
    return '–';
  }
  return typeof value === 'string'
    ? value
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
