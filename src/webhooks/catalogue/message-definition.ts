import { type Of, type Shape } from './shape.js';

/** All that there is to say of one type of message: what it tells, what its `data` is, and one of them. */
export interface MessageDefinition<Data> {
  /** One sentence. */
  readonly description: string;
  readonly data: Shape<Data>;
  readonly example: Data;
}

/** A definition whose example has its shape. */
export function define<S extends Shape<unknown>>(definition: {
  readonly description: string;
  readonly data: S;
  readonly example: NoInfer<Of<S>>;
}): MessageDefinition<Of<S>> {
  const { description, data, example } = definition;
  return { description, data: { schema: data.schema }, example };
}
