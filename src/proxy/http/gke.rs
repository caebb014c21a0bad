//! What the cloud's load balancer says where it answers by itself, byte for byte, so that whoever looks for it finds it
//! here too. Which status an error becomes is in `answer`.

use http::StatusCode;

/// Of `default-http-backend`, which gets what no rule is for. The space before the line end is its own.
pub const NOT_FOUND: &str = "response 404 (backend NotFound), service rules for the path non-existent \n";

/// What a client gets when the backend cannot answer.
pub fn server_error(status: StatusCode) -> String {
    let code = status.as_u16();
    format!(
        "\n<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n<title>{code} Server Error</title>\n</head>\n\
         <body text=#000000 bgcolor=#ffffff>\n<h1>Error: Server Error</h1>\n<h2>The server encountered a temporary error and could not complete \
         your request.<p>Please try again in 30 seconds.</h2>\n<h2></h2>\n</body></html>\n"
    )
}
