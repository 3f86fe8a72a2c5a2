/* A stand-in that keeps messages and delivers nothing. */
import { Injectable } from '@nestjs/common';
import { newId } from '../kernel/ids.js';
import { Database } from '../platform/database/database.js';

@Injectable()
export class WebhooksService {
  constructor(private readonly database: Database) {}

  async publish(message: { type: string; data: unknown; occurredAt: Date }): Promise<void> {
    const { type, data, occurredAt } = message;
    const body = JSON.stringify({ type, timestamp: occurredAt.toISOString(), data });
    await this.database.query(
      `INSERT INTO webhook_messages (id, type, body, created_at) VALUES ($1, $2, $3, $4)`,
      [newId('msg'), type, body, occurredAt],
    );
  }
}
