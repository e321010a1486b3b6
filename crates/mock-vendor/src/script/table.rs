//! The text of a script: the tables as they are written, and their problems with the line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::Vendor;
use super::as_of::{AsOf, AsOfFormat, Zone};
use super::auth::Auth;
use super::encoding::{Charset, Compression};
use super::fault::{Fault, VendorKind};
use super::pages::Pages;
use super::plan::{Numbers, Plan, Situation, Stock};
use super::transport::{FtpsTls, TransportName, transport};
use crate::catalogue;
use crate::format::Format;

/// Why a script is invalid.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line}: {problem}")]
pub struct InvalidScript {
    /// The line, from 1.
    pub line: usize,
    /// The problem, on one line.
    pub problem: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptTable {
    vendors: Vec<Spanned<VendorTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VendorTable {
    name: Option<String>,
    #[serde(default)]
    pub(super) transport: TransportName,
    pub(super) listen: Option<SocketAddr>,
    pub(super) path: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) file_name: Option<Spanned<String>>,
    pub(super) interval_s: Option<u64>,
    pub(super) tls: Option<FtpsTls>,
    pub(super) time_zone: Option<Zone>,
    pub(super) mlsd: Option<bool>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) url: Option<Spanned<String>>,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    numbers: Numbers,
    #[serde(default)]
    charset: Charset,
    #[serde(default)]
    compression: Compression,
    #[serde(default)]
    as_of: AsOf,
    #[serde(default)]
    as_of_format: AsOfFormat,
    #[serde(default)]
    as_of_zone: Zone,
    pub(super) auth: Option<Spanned<Auth>>,
    pub(super) pages: Option<Spanned<Pages>>,
    pub(super) redirect: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    stock: Option<BTreeMap<String, i64>>,
    products: Option<u64>,
    #[serde(default)]
    steps: Vec<Spanned<StepTable>>,
}

/// The changes of a step. New stock remains after it, everything else ends with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepTable {
    requests: Option<u64>,
    stock: Option<BTreeMap<String, i64>>,
    fault: Option<Spanned<Fault>>,
    charset: Option<Charset>,
    compression: Option<Compression>,
    as_of: Option<AsOf>,
    as_of_format: Option<AsOfFormat>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// A problem at a place of the text.
type Problem = (Range<usize>, String);

/// Parses a script.
pub(super) fn parse(text: &str) -> Result<Vec<Vendor>, InvalidScript> {
    let table: ScriptTable = toml::from_str(text).map_err(|error| InvalidScript {
        line: line_of_error(text, &error),
        problem: error.message().lines().collect::<Vec<_>>().join(", "),
    })?;
    let mut vendors = Vec::new();
    for (number, table) in (1..).zip(table.vendors) {
        let span = table.span();
        let vendor = vendor(number, span, table.into_inner());
        vendors.push(vendor.map_err(|(span, problem)| InvalidScript {
            line: line_at(text, span.start),
            problem,
        })?);
    }
    Ok(vendors)
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// The line of an error. For a key that is unknown in a table with a `type` or a `kind`, the parser has the line of the table
/// only.
fn line_of_error(text: &str, error: &toml::de::Error) -> usize {
    let first = line_at(text, error.span().map_or(0, |span| span.start));
    let key = error.message().strip_prefix("unknown field `");
    let Some((key, _)) = key.and_then(|rest| rest.split_once('`')) else {
        return first;
    };
    let is_of_table =
        |(number, line): &(usize, &str)| *number == first || !line.trim_start().starts_with('[');
    let has_key = |(_, line): &(usize, &str)| {
        line.match_indices(key).any(|(at, _)| {
            let after = line[at + key.len()..].trim_start_matches(['"', '\'']);
            after.trim_start().starts_with('=')
        })
    };
    let lines = (1..).zip(text.lines()).skip(first - 1);
    let found = lines.take_while(is_of_table).find(has_key);
    found.map_or(first, |(number, _)| number)
}

fn vendor(number: usize, span: Range<usize>, table: VendorTable) -> Result<Vendor, Problem> {
    let at_vendor = |problem: String| (span.clone(), problem);
    let name = table.name.clone();
    let name = name.unwrap_or_else(|| format!("vendor {number}"));
    let stock: Stock = match (&table.stock, table.products) {
        (Some(stock), None) => listed(stock),
        (None, Some(products)) => catalogue(number as u64, products).collect(),
        _ => {
            return Err(at_vendor(
                "a vendor needs either stock or products".to_owned(),
            ));
        }
    };
    let first = Situation {
        stock,
        fault: None,
        charset: table.charset.clone(),
        compression: table.compression.clone(),
        as_of: table.as_of,
        as_of_format: table.as_of_format.clone(),
        headers: table.headers.clone(),
    };
    check_headers(&first.headers).map_err(at_vendor)?;
    let kind = table.transport;
    let transport = transport(&table)
        .map_err(|(place, problem)| (place.unwrap_or_else(|| span.clone()), problem))?;
    let mut plan = Plan {
        format: table.format,
        numbers: table.numbers,
        zone: table.as_of_zone,
        steps: Vec::new(),
        last: first.clone(),
    };
    let pages = table.pages.as_ref().map(Spanned::get_ref);
    check(&plan, kind, pages, &first).map_err(at_vendor)?;
    let mut end = 0_u64;
    let mut is_endless = false;
    for step in table.steps {
        let span = step.span();
        let step = step.into_inner();
        if is_endless {
            let problem = "this step is never reached: the step before it has no requests";
            return Err((span, problem.to_owned()));
        }
        is_endless = step.requests.is_none();
        end = end.saturating_add(step.requests.unwrap_or(u64::MAX));
        let place = step.fault.as_ref().map_or(span, Spanned::span);
        let at_step = |problem: String| (place.clone(), problem);
        let situation = situation(step, &mut plan.last, &first);
        check_headers(&situation.headers).map_err(at_step)?;
        check(&plan, kind, pages, &situation).map_err(at_step)?;
        plan.steps.push((end, situation));
    }
    Ok(Vendor {
        name,
        transport,
        plan,
    })
}

/// The state in a step. Its stock stays in `last`, the state after all steps.
fn situation(step: StepTable, last: &mut Situation, first: &Situation) -> Situation {
    if let Some(stock) = &step.stock {
        last.stock = listed(stock);
    }
    let mut headers = first.headers.clone();
    headers.extend(step.headers);
    Situation {
        stock: Arc::clone(&last.stock),
        fault: step.fault.map(Spanned::into_inner),
        charset: step.charset.unwrap_or_else(|| first.charset.clone()),
        compression: step
            .compression
            .unwrap_or_else(|| first.compression.clone()),
        as_of: step.as_of.unwrap_or(first.as_of),
        as_of_format: step
            .as_of_format
            .unwrap_or_else(|| first.as_of_format.clone()),
        headers,
    }
}

fn listed(stock: &BTreeMap<String, i64>) -> Stock {
    let products = stock.iter();
    products
        .map(|(product, units)| (product.clone(), *units))
        .collect()
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in headers {
        if HeaderName::from_bytes(name.as_bytes()).is_err() || HeaderValue::from_str(value).is_err()
        {
            return Err(format!("headers has {name:?}, which is not a header field"));
        }
    }
    Ok(())
}

/// Checks a state by writing its document, or the first page of it.
fn check(
    plan: &Plan,
    transport: TransportName,
    pages: Option<&Pages>,
    situation: &Situation,
) -> Result<(), String> {
    const WITH_CODINGS: &[TransportName] = &[TransportName::Http, TransportName::Push];
    if !plan.format.is_text() && !situation.charset.is_utf8() {
        return Err("a workbook has no charset".to_owned());
    }
    if situation.compression.content_encoding().is_some() && !WITH_CODINGS.contains(&transport) {
        let needed = TransportName::one_of(WITH_CODINGS);
        return Err(format!("compression.content_encoding needs {needed}"));
    }
    if let Some(fault) = &situation.fault {
        let kind = VendorKind {
            transport,
            pages,
            is_utf8: situation.charset.is_utf8(),
            format: &plan.format,
        };
        if let Some(problem) = fault.problem(kind) {
            return Err(problem);
        }
    }
    let page =
        pages.map(|pages| pages.select("", situation.products(), "", situation.fault.as_ref()));
    let page = page.transpose()?;
    if page.as_ref().is_some_and(|page| !page.members.is_empty()) && !plan.format.is_json() {
        return Err("next and total of pages need format.type = \"json\"".to_owned());
    }
    plan.document(situation, Timestamp::now(), page.as_ref())?;
    Ok(())
}
