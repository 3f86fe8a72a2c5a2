/** Why an import cannot go on, in words for whoever called it. */
export class ImportFault extends Error {}
