// One of a few words, as a row of buttons: radio buttons underneath.

import { words } from "../logic/format";

interface Props {
  name: string;
  legend: string;
  value: string;
  values: string[];
  onChange: (value: string) => void;
}

export function Choice({ name, legend, value, values, onChange }: Props) {
  return (
    <fieldset class="choice">
      <legend class="hidden">{legend}</legend>
      {values.map((one) => (
        <label key={one}>
          <input type="radio" name={name} checked={one === value} onChange={() => onChange(one)} />
          <span>{words(one)}</span>
        </label>
      ))}
    </fieldset>
  );
}
