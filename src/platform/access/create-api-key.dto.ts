import { ArrayNotEmpty, ArrayUnique, IsArray, IsIn } from 'class-validator';
import { IsStorableText } from '../http/validators.js';
import { type Scope, SCOPES } from './scope.js';

export class CreateApiKeyDto {
  /** What the key is for. */
  @IsStorableText(200)
  name: string;

  /** What it may do; `admin` may do everything. */
  // Decorators are checked from the last to the first.
  @IsIn(SCOPES, { each: true })
  @ArrayUnique()
  @ArrayNotEmpty()
  @IsArray()
  scopes: Scope[];
}

export class ApiKeyResponse {
  id: string;
  name: string;
  /** The first characters of the token, to tell keys apart. */
  hint: string;
  scopes: string[];
  /** The source that it is a token of; null for an ordinary key. */
  source_id: string | null;
  created_at: string;
  revoked_at: string | null;
}

export class CreatedApiKeyResponse extends ApiKeyResponse {
  /** Send it as `Authorization: Bearer <token>`; it is never shown again. */
  token: string;
}
