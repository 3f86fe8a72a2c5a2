/*
 * The language of a meter's computed value, such as `(input_tokens + 4 * output_tokens) / 1000`: pure.
 * It is total and exact: whatever numbers the properties are, it has one result that is never
 * rounded, so that it may run inside a fold. jsep reads the text; only what stands here is taken of it.
 */
import jsep, { type Expression } from 'jsep';
import { decimal, formatDecimal, isDecimal } from '../kernel/decimal.js';
import { parsePropertyPath } from '../kernel/property-path.js';

const MAX_LENGTH = 1_000;
/** Numbers, properties, operators and calls; also bounds how long a product, and a statement, can get. */
const MAX_NODES = 100;
/** Of operations within each other; a row of the same rank, such as a + b - c, is one. */
const MAX_DEPTH = 20;

/** An expression that was judged. Numbers are decimal text. */
export type ValueExpression =
  | { readonly kind: 'number'; readonly text: string }
  /** `orElse` takes its place when it is missing or null; itself null: then there is no result. */
  | { readonly kind: 'property'; readonly path: string; readonly orElse: string | null }
  | { readonly kind: 'negative'; readonly of: ValueExpression }
  | {
      readonly kind: 'sum' | 'difference' | 'product';
      readonly left: ValueExpression;
      readonly right: ValueExpression;
    }
  | { readonly kind: 'least' | 'greatest'; readonly of: readonly ValueExpression[] };

export type ReadExpression =
  | { readonly outcome: 'read'; readonly expression: ValueExpression }
  | { readonly outcome: 'refused'; readonly detail: string };

/**
 * The expression that a text stands for, or what is wrong with it, for people. Division by a number
 * is a product with its reciprocal, which is exact since only 2 and 5 divide the number.
 */
export function readValueExpression(text: string): ReadExpression {
  if (text.length > MAX_LENGTH) {
    return { outcome: 'refused', detail: `must have at most ${MAX_LENGTH} characters` };
  }
  try {
    const reader = new Reader();
    const expression = reader.read(parse(text), 1);
    if (!reader.readsAny) {
      throw new Refusal('must read at least one property; a count needs no value');
    }
    return { outcome: 'read', expression };
  } catch (error) {
    if (error instanceof Refusal) {
      return { outcome: 'refused', detail: error.message };
    }
    throw error;
  }
}

/** Every property that the expression reads, each once per default, in order. */
export function propertiesOf(
  expression: ValueExpression,
): readonly Extract<ValueExpression, { kind: 'property' }>[] {
  switch (expression.kind) {
    case 'number':
      return [];
    case 'property':
      return [expression];
    case 'negative':
      return propertiesOf(expression.of);
    case 'sum':
    case 'difference':
    case 'product':
      return [...propertiesOf(expression.left), ...propertiesOf(expression.right)];
    case 'least':
    case 'greatest':
      return expression.of.flatMap(propertiesOf);
  }
}

/** Caught where reading begins. */
class Refusal extends Error {}

function parse(text: string): Expression {
  try {
    return jsep(text);
  } catch (error) {
    if (error instanceof RangeError) {
      throw new Refusal('nests too deeply');
    }
    const reason = error instanceof Error ? error.message : 'unreadable';
    throw new Refusal(`is no expression: ${reason}`);
  }
}

const BINARY = { '+': 'sum', '-': 'difference', '*': 'product' } as const;
const CALLS = { min: 'least', max: 'greatest' } as const;

class Reader {
  readsAny = false;
  private nodes = 0;

  read(node: Expression, depth: number): ValueExpression {
    this.count(depth);
    switch (node.type) {
      case 'Literal':
        return { kind: 'number', text: numberOf(node) };
      case 'Identifier':
      case 'MemberExpression':
        return this.property(node, null);
      case 'UnaryExpression':
        return this.unary(node as jsep.UnaryExpression, depth);
      case 'BinaryExpression':
        return this.binary(node as jsep.BinaryExpression, depth);
      case 'CallExpression':
        return this.call(node as jsep.CallExpression, depth);
      case 'Compound':
        throw new Refusal('must be one expression; an operator is missing, or it is empty');
      default:
        throw new Refusal(
          'may hold numbers, properties, + - * /, parentheses, min, max and default',
        );
    }
  }

  private count(depth: number): void {
    this.nodes += 1;
    if (this.nodes > MAX_NODES) {
      throw new Refusal(`has more than ${MAX_NODES} numbers, properties and operations`);
    }
    if (depth > MAX_DEPTH) {
      throw new Refusal(`nests deeper than ${MAX_DEPTH} operations`);
    }
  }

  private property(node: Expression, orElse: string | null): ValueExpression {
    this.readsAny = true;
    return { kind: 'property', path: pathOf(node), orElse };
  }

  private unary(node: jsep.UnaryExpression, depth: number): ValueExpression {
    if (node.operator !== '-') {
      throw new Refusal(`has the operator ${node.operator}; of one operand there is only -`);
    }
    return { kind: 'negative', of: this.read(node.argument, depth + 1) };
  }

  private binary(node: jsep.BinaryExpression, depth: number): ValueExpression {
    const { operator } = node;
    const left = this.read(node.left, continues(node) ? depth : depth + 1);
    if (operator === '/') {
      this.count(depth + 1);
      return { kind: 'product', left, right: { kind: 'number', text: divisorOf(node.right) } };
    }
    if (operator !== '+' && operator !== '-' && operator !== '*') {
      throw new Refusal(`has the operator ${operator}; there are + - * /`);
    }
    return { kind: BINARY[operator], left, right: this.read(node.right, depth + 1) };
  }

  private call(node: jsep.CallExpression, depth: number): ValueExpression {
    const name = node.callee.type === 'Identifier' ? (node.callee as jsep.Identifier).name : '';
    // A call through ?. has the mark.
    if (node['optional'] !== undefined || !['min', 'max', 'default'].includes(name)) {
      throw new Refusal(`calls what is no function; there are min, max and default`);
    }
    if (name === 'default') {
      return this.default(node.arguments, depth);
    }
    if (node.arguments.length === 0) {
      throw new Refusal(`calls ${name} of nothing`);
    }
    return {
      kind: name === 'min' ? CALLS.min : CALLS.max,
      of: node.arguments.map((argument) => this.read(argument, depth + 1)),
    };
  }

  private default(given: readonly Expression[], depth: number): ValueExpression {
    const [property, orElse, other] = given;
    if (property === undefined || orElse === undefined || other !== undefined) {
      throw new Refusal('must give default a property and a number');
    }
    this.count(depth + 1);
    this.count(depth + 1);
    return this.property(property, signedNumberOf(orElse));
  }
}

/** Whether the left operand is of the same rank, so that both stand in one row. */
function continues({ operator, left }: jsep.BinaryExpression): boolean {
  return left.type === 'BinaryExpression' && isAdding(left['operator']) === isAdding(operator);
}

function isAdding(operator: unknown): boolean {
  return operator === '+' || operator === '-';
}

/** By its text: a literal's value is a double. */
function numberOf(node: Expression): string {
  const { raw } = node as jsep.Literal;
  if (!isDecimal(raw)) {
    throw new Refusal(
      `holds ${String(raw)}, which is no number such as 4 or 0.25 of at most 26 digits before and 12 after the point`,
    );
  }
  return raw;
}

function signedNumberOf(node: Expression): string {
  if (node.type === 'UnaryExpression' && node['operator'] === '-') {
    return `-${numberOf((node as jsep.UnaryExpression).argument)}`;
  }
  if (node.type !== 'Literal') {
    throw new Refusal('must give default a property and a number');
  }
  return numberOf(node);
}

const DIVISOR_RULE =
  'divides by what is not a number made of 2s and 5s, such as 2, 60.5 or 1000, so that the result would have to be rounded; leave the division to the price';

function divisorOf(node: Expression): string {
  const reciprocal = node.type === 'Literal' ? reciprocalOf(numberOf(node)) : null;
  if (reciprocal === null) {
    throw new Refusal(DIVISOR_RULE);
  }
  return reciprocal;
}

/** 1 divided by a decimal of zero or more, exactly; null when that has no end, or does not exist. */
function reciprocalOf(text: string): string | null {
  const [whole = '', fraction = ''] = text.split('.');
  const digits = BigInt(whole + fraction);
  const twos = powerIn(digits, 2n);
  const fives = powerIn(digits, 5n);
  if (digits !== 2n ** BigInt(twos) * 5n ** BigInt(fives)) {
    return null;
  }
  const scale = Math.max(twos, fives);
  const numerator = 10n ** BigInt(scale + fraction.length);
  return formatDecimal(decimal(withScale((numerator / digits).toString(), scale)));
}

/** How often the factor divides the number; 0 for 0. */
function powerIn(number: bigint, factor: bigint): number {
  let power = 0;
  for (let rest = number; rest !== 0n && rest % factor === 0n; rest /= factor) {
    power += 1;
  }
  return power;
}

function withScale(digits: string, scale: number): string {
  const padded = digits.padStart(scale + 1, '0');
  const [whole, fraction] = [padded.slice(0, padded.length - scale), padded.slice(-scale)];
  return scale === 0 ? digits : `${whole}.${fraction}`;
}

/** `usage.input_tokens` is `$.usage.input_tokens`; what stands in brackets must be text. */
function pathOf(node: Expression): string {
  const text = stepsOf(node);
  const path = text.startsWith('$') ? text : `$.${text}`;
  if (parsePropertyPath(path) === null) {
    throw new Refusal(
      `reads ${text}, which is no property such as input_tokens, usage.tokens or $['odd name'].x`,
    );
  }
  return path;
}

function stepsOf(node: Expression): string {
  if (node.type === 'Identifier') {
    return (node as jsep.Identifier).name;
  }
  if (node.type !== 'MemberExpression' || node['optional'] !== undefined) {
    throw new Refusal(`reads what is no property such as input_tokens or usage.tokens`);
  }
  const { object, property, computed } = node as jsep.MemberExpression;
  const steps = stepsOf(object);
  if (!computed) {
    return `${steps}.${stepsOf(property)}`;
  }
  // By its text: of a path, a name in brackets has the quotes and escapes of RFC 9535.
  const raw = property.type === 'Literal' ? (property as jsep.Literal).raw : '';
  return `${steps}[${raw}]`;
}
