//! Credentials, and tokens that expire.

use reqwest::RequestBuilder;

use super::{client, get, ids, json, status, vendor};

#[tokio::test]
async fn requests_without_the_credentials_are_refused() {
    let encoded = "Basic c2hvcDpwYTpzcw==";
    for (auth, name, right, wrong) in [
        (
            "type = 'basic', user = 'shop', password = 'pa:ss'",
            "Authorization",
            encoded,
            "Basic c2hvcDpwYQ==",
        ),
        (
            "type = 'bearer', token = 't1'",
            "Authorization",
            "Bearer t1",
            "Bearer t2",
        ),
        (
            "type = 'header', name = 'X-Api-Key', value = 'k1'",
            "X-Api-Key",
            "k1",
            "k2",
        ),
    ] {
        let vendor = vendor(&format!("auth = {{ {auth} }}"));
        let url = vendor.url().unwrap();
        assert_eq!(status(get(&url)).await, 401, "{auth}");
        assert_eq!(status(get(&url).header(name, wrong)).await, 401, "{auth}");
        assert_eq!(vendor.requests(), 0, "{auth}");
        assert_eq!(status(get(&url).header(name, right)).await, 200, "{auth}");
        assert_eq!(vendor.requests(), 1, "{auth}");
    }
    let vendor = vendor("auth = { type = 'query', name = 'key', value = 'a b' }");
    let url = vendor.url().unwrap();
    assert_eq!(status(get(&url)).await, 401);
    assert_eq!(status(get(&format!("{url}?key=ab"))).await, 401);
    assert_eq!(status(get(&format!("{url}?x=1&key=a%20b"))).await, 200);
}

fn post(url: &str, media_type: &str, body: &str) -> RequestBuilder {
    let request = client().post(url).header("Content-Type", media_type);
    request.body(body.to_owned())
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn client_credentials_get_a_token_that_expires_while_paging() {
    let vendor = vendor(
        "format = { type = 'json', items = '/items' }\npages = { type = 'page', size = 1 }\n\
         [vendors.auth]\ntype = 'oauth2_client_credentials'\nclient_id = 'shop'\nclient_secret = 's1'\n\
         scope = 'stock'\nexpires_after = 2",
    );
    let url = vendor.url().unwrap();
    let token_url = url.replace("/stock", "/token");
    let right = "grant_type=client_credentials&scope=stock&client_id=shop&client_secret=s1";
    for (body, expected) in [
        ("", 400),
        (&right.replace("client_credentials", "password"), 400),
        (&right.replace("stock", "orders"), 400),
        (&right.replace("s1", "s2"), 401),
        (right, 200),
    ] {
        let found = status(post(&token_url, FORM, body)).await;
        assert_eq!(found, expected, "{body}");
    }
    let in_header = post(
        &token_url,
        FORM,
        "grant_type=client_credentials&scope=stock",
    )
    .header("Authorization", "Basic c2hvcDpzMQ==");
    let token = json(in_header).await;
    assert_eq!(token["token_type"], "Bearer");
    let token = token["access_token"].as_str().unwrap().to_owned();
    let page = |number: u32, token: &str| {
        get(&format!("{url}?page={number}")).header("Authorization", format!("Bearer {token}"))
    };
    assert_eq!(ids(&json(page(1, &token)).await, "/items"), "A");
    assert_eq!(ids(&json(page(2, &token)).await, "/items"), "B");
    assert_eq!(status(page(3, &token)).await, 401);
    let renewed = json(post(&token_url, FORM, right)).await;
    let renewed = renewed["access_token"].as_str().unwrap();
    assert_eq!(ids(&json(page(3, renewed)).await, "/items"), "C");
    assert_eq!(vendor.requests(), 3);
}

#[tokio::test]
async fn login_returns_a_token_at_its_pointer() {
    let vendor = vendor(
        "[vendors.auth]\ntype = 'login'\nuser = 'shop'\npassword = 'p1'\nuser_field = 'name'\ntoken = '/data/token'",
    );
    let url = vendor.url().unwrap();
    let login = url.replace("/stock", "/login");
    for wrong in [
        r#"{"name":"shop","password":"p2"}"#,
        r#"{"user":"shop","password":"p1"}"#,
    ] {
        assert_eq!(status(post(&login, "application/json", wrong)).await, 401);
    }
    for (media_type, body) in [
        ("application/json", r#"{"name":"shop","password":"p1"}"#),
        (FORM, "name=shop&password=p1"),
    ] {
        let response = json(post(&login, media_type, body)).await;
        let token = response.pointer("/data/token").unwrap().as_str().unwrap();
        let bearer = format!("Bearer {token}");
        assert_eq!(status(get(&url).header("Authorization", bearer)).await, 200);
    }
    assert_eq!(status(get(&url)).await, 401);
}
