import { ValidateIf } from 'class-validator';
import { IsKey, IsStorableText } from '../platform/http/validators.js';
import { MeterDefinitionBody } from './meter-definition.js';

export class CreateMeterDto extends MeterDefinitionBody {
  /** Your own name for the meter; usable in paths in place of the id. */
  @IsKey()
  key: string;

  @IsStorableText(200)
  name: string;
}

export class UpdateMeterDto {
  @ValidateIf((_, value) => value !== undefined)
  @IsStorableText(200)
  name?: string;

  @ValidateIf((_, value) => value !== undefined)
  @IsStorableText(2_000, 0)
  description?: string;
}
