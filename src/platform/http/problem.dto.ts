/** One fault of one input field. */
export class FieldProblem {
  /** Path of the field in the request, such as `prices.0.unit_price`. */
  field: string;
  /** Stable word that programs may branch on, such as `is_key` or `unknown_field`. */
  code: string;
  /** One sentence for people. */
  detail: string;
}

/** RFC 9457 problem details: how every refusal is answered. */
export class Problem {
  /** Always `about:blank`; programs branch on `code`. */
  type: string;
  title: string;
  /** The HTTP status. */
  status: number;
  /** Stable word that programs may branch on, such as `invalid_request` or `key_taken`. */
  code: string;
  /** One sentence for people. */
  detail: string;
  /** The fields at fault, when there are any. */
  errors?: FieldProblem[];
}
