//! The feed of a vendor, made from its settings.

use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Context as _;
use clock_tokio::SystemClock;
use settings::{
    AsOfSettings, DecodeSettings, DuplicateRule, FieldSettings, FormatSettings, ItemsAre,
    ProductIdSettings, QuantitySettings, RuleSettings, SourceSettings, VendorSettings,
};
use vendor_feeds::{
    AsOfFormat, AsOfOptions, Column, CsvOptions, DecodeOptions, Duplicates, FeedOptions,
    FieldOptions, FormatOptions, Fraction, Header, JsonItems, JsonOptions, Negative,
    ProductIdField, QuantityField, RuleOptions, Source, SourceFeed, XlsxOptions, XmlOptions,
};

pub(crate) fn vendor_feed(settings: &VendorSettings) -> anyhow::Result<SourceFeed> {
    let options = FeedOptions {
        vendor_id: settings.id.clone(),
        source: source(&settings.source),
        decode: decode(&settings.decode),
        format: format(&settings.format),
        fields: fields(&settings.fields),
        rules: rules(&settings.rules),
        timeout: settings.timeout,
        retries: settings.retries,
        kind: settings.kind,
        lag: settings.lag,
        max_age: settings.max_age,
    };
    SourceFeed::new(options, Arc::new(SystemClock))
        .with_context(|| format!("vendor {} cannot be read", settings.id))
}

fn source(source: &SourceSettings) -> Source {
    match source {
        SourceSettings::Http { url } => Source::Http { url: url.clone() },
        SourceSettings::File { path, .. } => Source::File { path: path.clone() },
    }
}

fn decode(decode: &DecodeSettings) -> DecodeOptions {
    DecodeOptions {
        charset: decode.charset,
        entry: decode.entry.clone(),
        max_bytes: decode.max_bytes,
        max_decoded_bytes: decode.max_decoded_bytes,
        max_ratio: decode.max_ratio,
    }
}

fn format(format: &FormatSettings) -> FormatOptions {
    let header = |row: Option<NonZeroU32>| row.map_or(Header::None, Header::Row);
    match format {
        FormatSettings::Json {
            items,
            items_are,
            as_of,
        } => FormatOptions::Json(JsonOptions {
            items: items.to_string(),
            items_are: match items_are {
                ItemsAre::List => JsonItems::List,
                ItemsAre::Values => JsonItems::Values,
                ItemsAre::Map => JsonItems::Map,
                ItemsAre::Single => JsonItems::Single,
            },
            as_of: as_of.as_ref().map(as_of_options),
        }),
        FormatSettings::Ndjson => FormatOptions::Ndjson,
        FormatSettings::Csv {
            delimiter,
            quote,
            header_row,
        } => FormatOptions::Csv(CsvOptions {
            delimiter: *delimiter,
            quote: *quote,
            header: header(*header_row),
        }),
        FormatSettings::Xml { items, as_of } => FormatOptions::Xml(XmlOptions {
            items: items.clone(),
            as_of: as_of.as_ref().map(as_of_options),
        }),
        FormatSettings::Xlsx { sheet, header_row } => FormatOptions::Xlsx(XlsxOptions {
            sheet: sheet.clone(),
            header: header(*header_row),
        }),
        FormatSettings::X12 => FormatOptions::X12,
        FormatSettings::Edifact => FormatOptions::Edifact,
    }
}

fn as_of_options(as_of: &AsOfSettings) -> AsOfOptions {
    AsOfOptions {
        field: as_of.field.clone(),
        format: match &as_of.format {
            settings::AsOfFormat::Rfc3339 => AsOfFormat::Rfc3339,
            settings::AsOfFormat::HttpDate => AsOfFormat::HttpDate,
            settings::AsOfFormat::Unix => AsOfFormat::Unix,
            settings::AsOfFormat::UnixMs => AsOfFormat::UnixMs,
            settings::AsOfFormat::Pattern(pattern) => AsOfFormat::Pattern(pattern.clone()),
        },
        zone: as_of.zone.clone(),
    }
}

fn column(column: &settings::Column) -> Column {
    match column {
        settings::Column::Name(name) => Column::Name(name.clone()),
        settings::Column::Number(number) => Column::Number(*number),
    }
}

fn fields(fields: &FieldSettings) -> FieldOptions {
    let FieldSettings {
        product_id:
            ProductIdSettings {
                column: product_id,
                trim: trim_id,
                prefix,
            },
        quantity:
            QuantitySettings {
                columns,
                words,
                decimal,
                thousands,
                trim,
            },
    } = fields;
    FieldOptions {
        product_id: ProductIdField {
            column: column(product_id),
            trim: *trim_id,
            prefix: prefix.clone(),
        },
        quantity: QuantityField {
            columns: columns.iter().map(column).collect(),
            words: words.clone(),
            decimal: *decimal,
            thousands: *thousands,
            trim: *trim,
        },
    }
}

fn rules(rules: &RuleSettings) -> RuleOptions {
    RuleOptions {
        duplicates: match rules.duplicates {
            DuplicateRule::Error => Duplicates::Error,
            DuplicateRule::Sum => Duplicates::Sum,
            DuplicateRule::Last => Duplicates::Last,
        },
        negative: if rules.reads_negative_as_zero {
            Negative::Zero
        } else {
            Negative::Error
        },
        fraction: if rules.rounds_down {
            Fraction::Floor
        } else {
            Fraction::Error
        },
        max_rows: rules.max_rows,
    }
}
