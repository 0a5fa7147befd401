//! The deserializer: reads one value after the other from the text.
//!
//! It reads the type that is asked for; its first character decides only about a value that is
//! skipped. Otherwise each property would bring the code for every other type, and each struct that
//! for a list of its fields.

use std::str::FromStr;

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor, value::StringDeserializer,
};

use super::Unreadable;

/// A text, and the position of the next value in it.
pub struct Reader<'de> {
    text: &'de str,
    at: usize,
}

impl<'de> Reader<'de> {
    pub const fn new(text: &'de str) -> Self {
        Self { text, at: 0 }
    }

    /// Checks that nothing follows the value.
    pub fn end(&mut self) -> Result<(), Unreadable> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Unreadable),
        }
    }

    /// Skips white space and returns the next byte, which stays the next one.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Returns the next byte of the text itself, also if it is a space.
    fn next(&mut self) -> Result<u8, Unreadable> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += 1;
        byte.ok_or(Unreadable)
    }

    fn expect(&mut self, expected: u8) -> Result<(), Unreadable> {
        if self.peek() == Some(expected) {
            self.at += 1;
            return Ok(());
        }
        Err(Unreadable)
    }

    fn word(&mut self, word: &str) -> Result<(), Unreadable> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(Unreadable);
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads the digits and signs of a number.
    fn number(&mut self) -> &'de str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().take_while(is_part).count();
        self.at += length;
        &rest[..length]
    }

    fn integer<N: FromStr>(&mut self) -> Result<N, Unreadable> {
        self.peek();
        self.number().parse().map_err(|_| Unreadable)
    }

    fn float(&mut self) -> Result<f64, Unreadable> {
        self.peek();
        parse_float(self.number())
    }

    fn boolean(&mut self) -> Result<bool, Unreadable> {
        let is_true = self.peek() == Some(b't');
        self.word(if is_true { "true" } else { "false" })?;
        Ok(is_true)
    }

    fn list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Unreadable> {
        self.expect(b'[')?;
        let value = visitor.visit_seq(Items::of(self))?;
        self.expect(b']')?;
        Ok(value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Unreadable> {
        self.expect(b'{')?;
        let value = visitor.visit_map(Items::of(self))?;
        self.expect(b'}')?;
        Ok(value)
    }

    fn string(&mut self) -> Result<String, Unreadable> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            let start = self.at;
            let byte = self.next()?;
            match byte {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escape()?),
                0..=0x1f => return Err(Unreadable),
                _ => {
                    // The rest of a character of several bytes comes with its first byte.
                    while self.text.get(start..self.at).is_none() {
                        self.at += 1;
                    }
                    text.push_str(&self.text[start..self.at]);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Unreadable> {
        Ok(match self.next()? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => return self.code_point(),
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            _ => return Err(Unreadable),
        })
    }

    /// Reads four digits of an escape, and the second half of a character that has two.
    fn code_point(&mut self) -> Result<char, Unreadable> {
        let first = self.code_unit()?;
        let code = match first {
            0xd800..=0xdbff => {
                self.word("\\u")?;
                let second = self.code_unit()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(Unreadable);
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or(Unreadable)
    }

    fn code_unit(&mut self) -> Result<u32, Unreadable> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?).to_digit(16).ok_or(Unreadable)?;
            code = code * 16 + digit;
        }
        Ok(code)
    }
}

/// Reads values of several types in the same way.
macro_rules! read {
    ($($method:ident)* => $visit:ident, $read:ident) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            visitor.$visit(self.$read()?)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.peek().ok_or(Unreadable)? {
            b'n' => {
                self.word("null")?;
                visitor.visit_unit()
            }
            b't' | b'f' => visitor.visit_bool(self.boolean()?),
            b'"' => visitor.visit_string(self.string()?),
            b'[' => self.list(visitor),
            b'{' => self.object(visitor),
            _ => {
                let number = self.number();
                if let Ok(number) = number.parse() {
                    visitor.visit_i64(number)
                } else if let Ok(number) = number.parse() {
                    visitor.visit_u64(number)
                } else {
                    visitor.visit_f64(parse_float(number)?)
                }
            }
        }
    }

    read!(deserialize_bool => visit_bool, boolean);
    read!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 => visit_i64, integer);
    read!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 => visit_u64, integer);
    read!(deserialize_f32 deserialize_f64 => visit_f64, float);
    read!(deserialize_char deserialize_str deserialize_string => visit_string, string);

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_str(&self.string()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.object(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.object(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.peek() == Some(b'n') {
            self.word("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        if self.peek() == Some(b'"') {
            let name: StringDeserializer<Unreadable> = self.string()?.into_deserializer();
            return visitor.visit_enum(name);
        }
        self.expect(b'{')?;
        let value = visitor.visit_enum(Variant { reader: self })?;
        self.expect(b'}')?;
        Ok(value)
    }

    serde::forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct ignored_any
    }
}

/// Reads a floating-point number. Rust's own code for it would be 10 kB of WebAssembly.
#[cfg(target_family = "wasm")]
fn parse_float(text: &str) -> Result<f64, Unreadable> {
    let number = js_sys::parse_float(text);
    if number.is_nan() {
        return Err(Unreadable);
    }
    Ok(number)
}

/// The same on a server, for tests.
#[cfg(not(target_family = "wasm"))]
fn parse_float(text: &str) -> Result<f64, Unreadable> {
    text.parse().map_err(|_| Unreadable)
}

/// The values of a list, or the names and values of an object, up to its end.
struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    is_first: bool,
}

impl<'a, 'de> Items<'a, 'de> {
    const fn of(reader: &'a mut Reader<'de>) -> Self {
        Self {
            reader,
            is_first: true,
        }
    }

    /// Returns true if another value follows.
    fn has_next(&mut self) -> Result<bool, Unreadable> {
        if matches!(self.reader.peek(), Some(b']' | b'}')) {
            return Ok(false);
        }
        if !self.is_first {
            self.reader.expect(b',')?;
        }
        self.is_first = false;
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        if !self.has_next()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
        if !self.has_next()? {
            return Ok(None);
        }
        if self.reader.peek() != Some(b'"') {
            return Err(Unreadable);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Unreadable> {
        self.reader.expect(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

/// A variant with data: `{"Name": …}`, behind its opening brace.
struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), Unreadable> {
        let name = seed.deserialize(&mut *self.reader)?;
        self.reader.expect(b':')?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        de::Deserialize::deserialize(self.reader)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Unreadable> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.reader.list(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.reader.object(visitor)
    }
}
