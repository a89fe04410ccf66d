//! The service's wire form: Smithy RPC v2 CBOR, with gzip and with the error header of older clients.

use std::io::Read;

use axum::body::Body;
use axum::http::{Request, Response};
use ciborium::Value;

use super::Rejection;

/// One accepted request.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) namespace: String,
    pub(crate) data: Vec<Datum>,
    pub(crate) gzip: bool,
    /// Before compression.
    pub(crate) bytes: usize,
}

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Datum {
    pub(crate) name: String,
    pub(crate) dimensions: Vec<(String, String)>,
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) at: f64,
    pub(crate) resolution: i128,
}

pub(super) fn is_put_metric_data(request: &Request<Vec<u8>>) -> Result<(), Rejection> {
    let is = |name: &str, value: &str| request.headers().get(name).is_some_and(|found| found == value);
    let path = request.uri().path() == "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    if request.method() == "POST"
        && path
        && is("smithy-protocol", "rpc-v2-cbor")
        && is("content-type", "application/cbor")
    {
        return Ok(());
    }
    Err(Rejection { status: 404, code: "UnknownOperationException", message: request.uri().to_string() })
}

pub(super) fn decode(request: &Request<Vec<u8>>) -> Result<Put, Rejection> {
    let gzip = request.headers().get("content-encoding").is_some_and(|encoding| encoding == "gzip");
    let mut body = Vec::new();
    if gzip {
        let read = flate2::read::GzDecoder::new(&request.body()[..]).read_to_end(&mut body);
        read.map_err(|error| malformed(&error.to_string()))?;
    } else {
        body.clone_from(request.body());
    }
    let value: Value = ciborium::from_reader(&body[..]).map_err(|error| malformed(&error.to_string()))?;
    let data = match field(&value, "MetricData") {
        Some(Value::Array(data)) => data.iter().map(datum).collect::<Option<_>>().ok_or_else(|| malformed("datum"))?,
        _ => Vec::new(),
    };
    let namespace = field(&value, "Namespace").and_then(Value::as_text).unwrap_or_default().to_owned();
    Ok(Put { namespace, data, gzip, bytes: body.len() })
}

fn datum(value: &Value) -> Option<Datum> {
    let text = |value: &Value, name: &str| Some(field(value, name)?.as_text()?.to_owned());
    let dimensions = match field(value, "Dimensions") {
        Some(Value::Array(list)) => {
            list.iter().map(|d| Some((text(d, "Name")?, text(d, "Value")?))).collect::<Option<Vec<_>>>()?
        }
        _ => Vec::new(),
    };
    Some(Datum {
        name: text(value, "MetricName")?,
        dimensions,
        value: number(field(value, "Value")?)?,
        unit: text(value, "Unit")?,
        at: match field(value, "Timestamp")? {
            Value::Tag(1, seconds) => number(seconds)?,
            _ => return None,
        },
        resolution: field(value, "StorageResolution").and_then(Value::as_integer)?.into(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact")]
fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|integer| i128::from(integer) as f64))
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_map()?;
    fields.iter().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}

fn malformed(what: &str) -> Rejection {
    Rejection { status: 400, code: "SerializationException", message: what.to_owned() }
}

/// A rejection in the form of the service: code in a header for older clients, and in the body.
pub(super) fn rejection(rejection: &Rejection) -> Response<Body> {
    let Rejection { status, code, message } = rejection;
    let fields = [("__type", format!("com.amazonaws.cloudwatch#{code}")), ("message", message.clone())];
    let fields = fields.into_iter().map(|(name, text)| (Value::from(name), Value::from(text))).collect();
    let mut body = Vec::new();
    ciborium::into_writer(&Value::Map(fields), &mut body).unwrap();
    let side = if *status < 500 { "Sender" } else { "Receiver" };
    let response = Response::builder().status(*status).header("smithy-protocol", "rpc-v2-cbor");
    let response = response.header("content-type", "application/cbor").header("x-amzn-requestid", "of-the-tests");
    response.header("x-amzn-query-error", format!("{code};{side}")).body(Body::from(body)).unwrap()
}
