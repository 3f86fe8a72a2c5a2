/** What a person can mend: its message says what is wrong and what to do, and no stack is shown. */
export class Mistake extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Mistake';
  }
}
