/** What the program calls itself to others; package.json says the same, which a test checks. */
export const VERSION = '0.1.0';
