/**
 * The advisory lock of cut-offs. Every flush holds it shared from before it takes its batch number
 * until it has committed. Whoever has held it exclusively for an instant knows that every batch up
 * to the highest number is committed and that all later ones get a higher number.
 */
export const CUT_OFF_LOCK = 7_263_002;
