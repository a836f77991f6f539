//! What an entry of a table looks like (an optimizer, a schedule, a loss, …), how a client's choice of one is read, and how
//! the tables are shown as capabilities. The tables themselves stand in the files of their topics; adding an entry there is
//! all that the wire needs.

use serde_json::{Map, Value, json};

use super::read::{At, Object, Range, listed, unknown};

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Domain {
    Number(Range),
    Whole {
        low: u64,
        high: u64,
    },
    Flag,
    Word(&'static [&'static str]),
    /// A metric's name such as `val_loss`; checked against the job's metrics later.
    Metric,
    /// A whole number of steps or epochs, or `"total"`: the length of the run.
    Length,
    /// A number in [0, 1), or `{"initial","final","epochs"}`.
    Momentum,
    /// A number > 0, or `"balanced"`.
    Balance,
}

/// What a parameter is when the client does not name it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preset {
    Number(f64),
    Whole(u64),
    Flag(bool),
    Word(&'static str),
    /// Without it the entry makes no sense.
    Required,
}

impl Preset {
    fn value(&self) -> Value {
        match *self {
            Preset::Number(x) => real(x),
            Preset::Whole(n) => json!(n),
            Preset::Flag(flag) => json!(flag),
            Preset::Word(word) => json!(word),
            Preset::Required => Value::Null,
        }
    }
}

/// One parameter of an entry.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) domain: Domain,
    pub(super) preset: Preset,
    pub(super) help: &'static str,
}

/// A number parameter.
pub(super) const fn number(name: &'static str, range: Range, preset: f64, help: &'static str) -> Parameter {
    Parameter { name, domain: Domain::Number(range), preset: Preset::Number(preset), help }
}

/// A parameter that is off unless asked for.
pub(super) const fn flag(name: &'static str, help: &'static str) -> Parameter {
    Parameter { name, domain: Domain::Flag, preset: Preset::Flag(false), help }
}

/// A whole-number parameter.
pub(super) const fn whole(name: &'static str, low: u64, high: u64, preset: u64, help: &'static str) -> Parameter {
    Parameter { name, domain: Domain::Whole { low, high }, preset: Preset::Whole(preset), help }
}

/// A parameter that must be named.
pub(super) const fn required(name: &'static str, domain: Domain, help: &'static str) -> Parameter {
    Parameter { name, domain, preset: Preset::Required, help }
}

/// One line of a table: a name that a client may write as `type`, its parameters, and how the thing itself is made of them.
pub(super) struct Entry<T: 'static> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) build: fn(&Values) -> T,
}

/// The values of an entry's parameters, in the table's order.
#[derive(Clone, Debug)]
pub(super) struct Values {
    known: &'static [Parameter],
    values: Vec<Value>,
}

impl Values {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let index = self.known.iter().position(|parameter| parameter.name == name)?;
        self.values.get(index)
    }

    /// A number parameter; 0 where the entry has none of that name.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.get(name).and_then(Value::as_f64).unwrap_or(0.0)
    }

    pub(super) fn whole(&self, name: &str) -> u64 {
        self.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn word(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or("")
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Some(index) = self.known.iter().position(|parameter| parameter.name == name)
            && let Some(slot) = self.values.get_mut(index)
        {
            *slot = value;
        }
    }
}

/// A client's choice of an entry with all of its parameters.
pub(super) struct Chosen<T: 'static> {
    entry: &'static Entry<T>,
    pub(super) values: Values,
}

impl<T> Clone for Chosen<T> {
    fn clone(&self) -> Self {
        Chosen { entry: self.entry, values: self.values.clone() }
    }
}

impl<T> std::fmt::Debug for Chosen<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_json())
    }
}

impl<T> Chosen<T> {
    /// The entry with every parameter at its default.
    pub(super) fn preset(entry: &'static Entry<T>) -> Chosen<T> {
        let values = entry.parameters.iter().map(|parameter| parameter.preset.value()).collect();
        Chosen { entry, values: Values { known: entry.parameters, values } }
    }

    pub(super) fn name(&self) -> &'static str {
        self.entry.name
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.values.set(name, value);
    }

    /// Makes the thing itself.
    pub(super) fn build(&self) -> T {
        (self.entry.build)(&self.values)
    }

    /// `{"type": name, parameter: value, …}`, all parameters shown.
    pub(super) fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("type".into(), self.entry.name.into());
        for (parameter, value) in self.entry.parameters.iter().zip(&self.values.values) {
            map.insert(parameter.name.into(), value.clone());
        }
        Value::Object(map)
    }
}

/// A choice that was read.
pub(super) struct Read<'a, T: 'static> {
    pub(super) chosen: Chosen<T>,
    /// The parameters that the client wrote himself.
    pub(super) written: Vec<&'static str>,
    /// The caller's own fields that stand beside the entry's (such as `warmup` of a schedule).
    pub(super) extra: Vec<At<'a>>,
}

/// Reads `"adam"` or `{"type":"adam", …}` against a table; `extra` names fields beside the entry's own that the caller reads
/// itself.
pub(super) fn choose<'a, T>(
    at: &At<'a>,
    what: &str,
    table: &'static [Entry<T>],
    fallback: &'static Entry<T>,
    extra: &[&'static str],
) -> Read<'a, T> {
    let mut read = Read { chosen: Chosen::preset(fallback), written: Vec::new(), extra: Vec::new() };
    if let Some(name) = at.value.as_str() {
        match find(table, name) {
            Some(entry) => read.chosen = fill(entry, None, at),
            None => at.fault(unknown_entry(what, name, table)),
        }
        return read;
    }
    if !at.value.is_object() {
        at.expected(&format!("the name of {what} or an object with \"type\""));
        return read;
    }
    let Some(mut object) = at.object() else { return read };
    read.extra = extra.iter().filter_map(|name| object.field(name)).collect();
    // Without a type the other fields cannot be judged.
    let Some(kind) = object.field("type") else {
        let names: Vec<&str> = table.iter().map(|entry| entry.name).collect();
        at.fault(format!("lacks \"type\": one of {}", listed(&names)));
        return read;
    };
    let Some(name) = kind.text() else { return read };
    let Some(entry) = find(table, name) else {
        kind.fault(unknown_entry(what, name, table));
        return read;
    };
    read.written = entry.parameters.iter().map(|p| p.name).filter(|name| object.has(name)).collect();
    read.chosen = fill(entry, Some(&mut object), at);
    object.finish();
    read
}

fn find<T>(table: &'static [Entry<T>], name: &str) -> Option<&'static Entry<T>> {
    table.iter().find(|entry| entry.name == name)
}

fn unknown_entry<T>(what: &str, name: &str, table: &'static [Entry<T>]) -> String {
    let what = what.strip_prefix("an ").or_else(|| what.strip_prefix("a ")).unwrap_or(what);
    unknown(what, name, table.iter().map(|entry| entry.name))
}

fn fill<T>(entry: &'static Entry<T>, mut object: Option<&mut Object<'_>>, at: &At<'_>) -> Chosen<T> {
    let mut chosen = Chosen::preset(entry);
    for (parameter, slot) in entry.parameters.iter().zip(chosen.values.values.iter_mut()) {
        match object.as_mut().and_then(|object| object.field(parameter.name)) {
            Some(value) => {
                if let Some(read) = read(&value, parameter.domain) {
                    *slot = read;
                }
            }
            None if matches!(parameter.preset, Preset::Required) => {
                at.fault(format!("\"{}\" needs \"{}\": {}", entry.name, parameter.name, parameter.help));
            }
            None => {}
        }
    }
    chosen
}

fn read(at: &At<'_>, domain: Domain) -> Option<Value> {
    match domain {
        Domain::Number(range) => at.number(range).map(real),
        Domain::Whole { low, high } => at.whole(low, high).map(Value::from),
        Domain::Flag => at.flag().map(Value::from),
        Domain::Word(words) => at.word(words).map(Value::from),
        Domain::Metric => at.text().map(Value::from),
        Domain::Length => match at.value.as_str() {
            Some("total") => Some("total".into()),
            Some(_) => {
                at.expected("a whole number ≥ 1 or \"total\"");
                None
            }
            None => at.whole(1, u32::MAX.into()).map(Value::from),
        },
        Domain::Balance => match at.value.as_str() {
            Some("balanced") => Some("balanced".into()),
            Some(_) => {
                at.expected("a number > 0 or \"balanced\"");
                None
            }
            None => at.number(Range::POSITIVE).map(real),
        },
        Domain::Momentum if at.value.is_object() => {
            let mut object = at.object()?;
            for name in ["initial", "final", "epochs"] {
                if !object.has(name) {
                    object.fault(format!("a momentum schedule needs \"{name}\""));
                }
            }
            let initial = object.number("initial", Range::SHARE, 0.5);
            let last = object.number("final", Range::SHARE, 0.9);
            let epochs = object.whole("epochs", 1, u32::MAX.into(), 1);
            object.finish();
            Some(json!({ "initial": real(initial), "final": real(last), "epochs": epochs }))
        }
        Domain::Momentum if !at.value.is_number() => {
            at.expected("a number ≥ 0 and < 1, or an object with \"initial\", \"final\" and \"epochs\"");
            None
        }
        Domain::Momentum => at.number(Range::SHARE).map(real),
    }
}

/// A table as capabilities show it.
pub(super) fn shown<T>(table: &'static [Entry<T>]) -> Value {
    table
        .iter()
        .map(|entry| {
            json!({ "type": entry.name, "help": entry.help,
                "parameters": entry.parameters.iter().map(shown_parameter).collect::<Vec<_>>() })
        })
        .collect()
}

fn shown_parameter(parameter: &Parameter) -> Value {
    let mut map = Map::new();
    map.insert("name".into(), parameter.name.into());
    let (kind, detail) = match parameter.domain {
        Domain::Number(range) => ("number", Some(shown_range(range))),
        Domain::Whole { low, high } => ("integer", Some(json!({ "minimum": low, "maximum": high }))),
        Domain::Flag => ("boolean", None),
        Domain::Word(words) => ("string", Some(json!({ "one_of": words }))),
        Domain::Metric => ("metric", None),
        Domain::Length => ("integer_or_total", Some(json!({ "minimum": 1 }))),
        Domain::Momentum => ("number_or_momentum_schedule", Some(shown_range(Range::SHARE))),
        Domain::Balance => ("number_or_balanced", Some(shown_range(Range::POSITIVE))),
    };
    map.insert("kind".into(), kind.into());
    map.insert("default".into(), parameter.preset.value());
    map.insert("required".into(), matches!(parameter.preset, Preset::Required).into());
    if let Some(range) = detail {
        map.insert("range".into(), range);
    }
    map.insert("help".into(), parameter.help.into());
    Value::Object(map)
}

fn shown_range(range: Range) -> Value {
    let mut map = Map::new();
    if range.low > -f64::MAX {
        map.insert(if range.above { "exclusive_minimum" } else { "minimum" }.into(), real(range.low));
    }
    if range.high < f64::MAX {
        map.insert(if range.below { "exclusive_maximum" } else { "maximum" }.into(), real(range.high));
    }
    Value::Object(map)
}

/// A number as JSON; whole numbers keep their point, so that a spec reads the same after a round trip.
pub(super) fn real(x: f64) -> Value {
    serde_json::Number::from_f64(x).map_or(Value::Null, Value::Number)
}
