//! JSON Schema, as far as structured output goes: an object that satisfies one, written from the
//! prompt's facts.
//!
//! Not obeyed: `pattern`, `not`, `if`, `dependentSchemas`, `uniqueItems` beyond distinct phrasing.

use serde_json::{Map, Number, Value, json};

use crate::writer::Writer;

/// A list of this name holds what is left open in the text.
const MERGE_FIELDS: [&str; 2] = ["personali", "merge_field"];
const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
/// References nest at most so deep; below, what needn't be there isn't.
const DEEPEST: usize = 12;
/// A schema that asks for more values gets nulls: it is a mistake, or an attack.
const MOST_VALUES: usize = 5_000;
const MOST_ITEMS: u64 = 64;
const LONGEST_TEXT: u64 = 20_000;

/// Whether a schema is one; a strict schema must close and require everything, as OpenAI's must.
/// The error is OpenAI's sentence.
pub(crate) fn check(schema: &Value, strict: bool) -> Result<(), String> {
    let root = schema.get("type").and_then(Value::as_str);
    if root != Some("object") && schema.get("$ref").is_none() && (strict || root.is_some()) {
        let got = root.unwrap_or("None");
        return Err(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{got}\"'."));
    }
    check_at(schema, strict, &mut Vec::new())
}

/// Whether a schema is one, of whatever value.
pub(crate) fn check_any(schema: &Value) -> Result<(), String> {
    check_at(schema, false, &mut Vec::new())
}

fn check_at<'a>(schema: &'a Value, strict: bool, path: &mut Vec<&'a str>) -> Result<(), String> {
    let context = |path: &[&str]| {
        let quoted: Vec<String> = path.iter().map(|part| format!("'{part}'")).collect();
        format!("In context=({})", quoted.join(", "))
    };
    let Some(object) = schema.as_object() else {
        if schema.is_boolean() && !strict {
            return Ok(());
        }
        return Err(format!("{}, a schema must be an object.", context(path)));
    };
    if let Some(unknown) = types(schema).find(|kind| !TYPES.contains(kind)) {
        return Err(format!("{}, '{unknown}' is not a type.", context(path)));
    }
    if strict && types(schema).any(|kind| kind == "object") {
        if object.get("additionalProperties") != Some(&Value::Bool(false)) {
            return Err(format!(
                "{}, 'additionalProperties' is required to be supplied and to be false.",
                context(path)
            ));
        }
        let missing = properties(schema).map(|(name, _)| name).find(|name| !required(schema, name));
        if let Some(missing) = missing {
            return Err(format!(
                "{}, 'required' is required to be supplied and to be an array including every key in properties. Missing '{missing}'.",
                context(path)
            ));
        }
    }
    for (keyword, inner) in object {
        let named: Vec<(&str, &Value)> = match (keyword.as_str(), inner) {
            ("properties" | "$defs" | "definitions", Value::Object(map)) => {
                map.iter().map(|(name, inner)| (name.as_str(), inner)).collect()
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(all)) => {
                all.iter().map(|inner| ("", inner)).collect()
            }
            ("items", inner) => vec![("", inner)],
            _ => continue,
        };
        for (name, inner) in named {
            path.extend([keyword.as_str(), name].into_iter().filter(|part| !part.is_empty()));
            let depth = 1 + usize::from(!name.is_empty());
            check_at(inner, strict, path)?;
            path.truncate(path.len().saturating_sub(depth));
        }
    }
    Ok(())
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let kind = schema.get("type");
    let one = kind.and_then(Value::as_str);
    let many = kind.and_then(Value::as_array).into_iter().flatten();
    one.into_iter().chain(many.filter_map(Value::as_str))
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let map = schema.get("properties").and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, inner)| (name.as_str(), inner))
}

fn required(schema: &Value, name: &str) -> bool {
    let names = schema.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|required| required == name))
}

/// The first JSON Schema of an object that a text holds.
pub(crate) fn find(text: &str) -> Option<Value> {
    text.match_indices('{').take(64).find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let first = serde_json::Deserializer::from_str(rest).into_iter().next();
        let value: Value = first?.ok()?;
        (value.get("properties").is_some() && check(&value, false).is_ok()).then_some(value)
    })
}

/// A value that satisfies the schema.
pub(crate) fn fill(schema: &Value, writer: &mut Writer) -> Value {
    let mut filler = Filler { root: schema, writer, values: 0 };
    filler.value(schema, "answer", 0)
}

struct Filler<'a> {
    root: &'a Value,
    writer: &'a mut Writer,
    values: usize,
}

impl Filler<'_> {
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        self.values += 1;
        if self.values > MOST_VALUES || depth > 4 * DEEPEST {
            return Value::Null;
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|at| self.root.pointer(at)).cloned();
            return target.map_or(Value::Null, |target| self.value(&target, name, depth + 4));
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let choice = self.writer.choose(values.len());
            return values.get(choice).cloned().unwrap_or_default();
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(options) = schema.get(keyword).and_then(Value::as_array) {
                return self.one_of(options, name, depth);
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let merged = self.merged(schema, parts);
            return self.value(&merged, name, depth + 1);
        }
        let nullable = types(schema).any(|kind| kind == "null");
        match types(schema).find(|kind| *kind != "null") {
            None if nullable => Value::Null,
            Some(_) if nullable && depth > DEEPEST => Value::Null,
            Some("array") => self.array(schema, name, depth),
            Some("boolean") => Value::Bool(self.writer.choose(2) == 0),
            Some("integer") => self.number(schema, true),
            Some("number") => self.number(schema, false),
            Some("object") => self.object(schema, depth),
            None if schema.get("properties").is_some() => self.object(schema, depth),
            None if schema.get("items").is_some() => self.array(schema, name, depth),
            _ => Value::String(self.text(schema, name)),
        }
    }

    /// The first option that says something; far down, one that ends here.
    fn one_of(&mut self, options: &[Value], name: &str, depth: usize) -> Value {
        let is_null = |option: &&Value| types(option).eq(["null"]);
        let ends = options.iter().find(is_null).filter(|_| depth > DEEPEST);
        let says = || options.iter().find(|option| !is_null(option));
        match ends.or_else(says).or_else(|| options.first()) {
            Some(option) => self.value(option, name, depth + 1),
            None => Value::Null,
        }
    }

    /// All parts of an `allOf` as one schema.
    fn merged(&self, schema: &Value, parts: &[Value]) -> Value {
        let mut merged = schema.as_object().cloned().unwrap_or_default();
        merged.remove("allOf");
        for part in parts {
            let reference = part.get("$ref").and_then(Value::as_str);
            let target = reference.and_then(|at| self.root.pointer(at.strip_prefix('#')?));
            let part = target.unwrap_or(part).as_object();
            for (keyword, value) in part.into_iter().flatten() {
                match (merged.get_mut(keyword), value) {
                    (Some(Value::Object(all)), Value::Object(more)) => {
                        all.extend(more.clone());
                    }
                    (Some(Value::Array(all)), Value::Array(more)) => all.extend(more.clone()),
                    _ => {
                        merged.insert(keyword.clone(), value.clone());
                    }
                }
            }
        }
        Value::Object(merged)
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let mut object = Map::new();
        for (name, inner) in properties(schema) {
            if depth <= DEEPEST || required(schema, name) {
                object.insert(name.to_owned(), self.value(inner, name, depth + 1));
            }
        }
        let names = schema.get("required").and_then(Value::as_array);
        for name in names.into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                object.insert(name.to_owned(), Value::String(self.writer.field(name)));
            }
        }
        if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object())
            && object.is_empty()
            && depth <= DEEPEST
        {
            object.insert("note".to_owned(), self.value(inner, "note", depth + 1));
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
        let least = bound("minItems").unwrap_or(0).min(MOST_ITEMS);
        let usual = if depth > DEEPEST { 0 } else { 2 };
        let count = usual.max(least).min(bound("maxItems").unwrap_or(MOST_ITEMS));
        let firsts = schema.get("prefixItems").and_then(Value::as_array);
        let mut items: Vec<Value> = Vec::new();
        for first in firsts.into_iter().flatten() {
            items.push(self.value(first, name, depth + 1));
        }
        let any = json!({"type": "string"});
        let inner = match schema.get("items") {
            Some(Value::Bool(false)) => return Value::Array(items),
            Some(inner) if inner.is_object() => inner,
            _ => &any,
        };
        if MERGE_FIELDS.iter().any(|word| name.contains(word)) && least == 0 && types(inner).eq(["string"]) {
            items.extend(self.writer.merge_fields().into_iter().map(Value::String));
            return Value::Array(items);
        }
        let mut tries = 0;
        while u64::try_from(items.len()).is_ok_and(|len| len < count) {
            let item = self.value(inner, name, depth + 1);
            tries += 1;
            // The same thing isn't said twice while there is another.
            if tries > 8 || !items.contains(&item) {
                items.push(item);
            }
        }
        Value::Array(items)
    }

    fn number(&self, schema: &Value, whole: bool) -> Value {
        let bound = |keyword| schema.get(keyword).and_then(Value::as_f64);
        let (least, above) = (bound("minimum"), bound("exclusiveMinimum"));
        let (most, below) = (bound("maximum"), bound("exclusiveMaximum"));
        let step = bound("multipleOf").filter(|step| *step > 0.0);
        let step = step.or_else(|| whole.then_some(1.0));
        let fits = |number: &f64| {
            least.is_none_or(|least| *number >= least)
                && above.is_none_or(|above| *number > above)
                && most.is_none_or(|most| *number <= most)
                && below.is_none_or(|below| *number < below)
        };
        let (low, high) = (least.or(above), most.or(below));
        let middle = low.zip(high).map(|(low, high)| f64::midpoint(low, high));
        // A small number where it may be one, else one at the bounds or between them.
        let wishes = [Some(3.0), low, high, middle].into_iter().flatten();
        let number = wishes
            .flat_map(|wish| match step {
                Some(step) => {
                    let floor = (wish / step).floor();
                    [floor * step, (floor + 1.0) * step, (floor - 1.0) * step]
                }
                None => [wish; 3],
            })
            .find(fits)
            .unwrap_or(3.0);
        let integer = format!("{number:.0}").parse::<i64>().ok();
        match integer.filter(|_| number.fract() == 0.0) {
            Some(integer) => Value::from(integer),
            None => Number::from_f64(number).map_or(Value::Null, Value::Number),
        }
    }

    fn text(&mut self, schema: &Value, name: &str) -> String {
        let known = match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => "2030-01-15T09:00:00Z",
            Some("date") => "2030-01-15",
            Some("time") => "09:00:00Z",
            Some("duration") => "PT15M",
            Some("email") => "hello@client.example",
            Some("hostname") => "client.example",
            Some("ipv4") => "192.0.2.1",
            Some("ipv6") => "2001:db8::1",
            Some("uri") => "https://client.example/",
            Some("uuid") => "00000000-0000-4000-8000-000000000000",
            _ => "",
        };
        if !known.is_empty() {
            return known.to_owned();
        }
        let bound = |keyword| schema.get(keyword).and_then(Value::as_u64);
        let least = bound("minLength").unwrap_or(0).min(LONGEST_TEXT);
        let most = bound("maxLength").unwrap_or(LONGEST_TEXT).min(LONGEST_TEXT);
        let mut text = self.writer.field(name);
        while u64::try_from(text.chars().count()).is_ok_and(|length| length < least) {
            text.push(' ');
            text.push_str(&self.writer.field(name));
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if text.chars().count() > most {
            text = text.chars().take(most).collect();
            let least = usize::try_from(least).unwrap_or_default();
            // Whole words where the bounds leave room for them.
            if let Some((words, _)) = text.rsplit_once(' ')
                && words.chars().count() >= least.max(1)
            {
                text = words.to_owned();
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
