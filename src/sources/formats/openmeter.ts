import { cloudevents } from './cloudevents.js';
import { type Format } from './format.js';

/** What OpenMeter's clients send: CloudEvents, always in a batch. */
export const openmeter: Format = { ...cloudevents, name: 'openmeter' };
