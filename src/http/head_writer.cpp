#include "http/head_writer.h"

#include "base/assert.h"
#include "http/syntax.h"

namespace ringtime::http {
namespace {

constexpr std::string_view kRequestLineEnd = " HTTP/1.1\r\n";
constexpr size_t kDecimalMax = 20;

bool is_target(std::string_view text) noexcept {
    for (char c : text) {
        if (!is_class(c, kTargetChar)) return false;
    }
    return true;
}

}  // namespace

void HeadWriter::request_line(std::string_view method, std::string_view path,
                              std::string_view query) noexcept {
    bool valid = is_token(method) && !path.empty() && is_target(path) && is_target(query);
    if (!require(valid)) return;
    size_t query_size = query.data() ? query.size() + 1 : 0;
    char* to = grow(method.size() + 1 + path.size() + query_size + kRequestLineEnd.size());
    if (!to) return;
    std::memcpy(to, method.data(), method.size());
    to += method.size();
    *to++ = ' ';
    std::memcpy(to, path.data(), path.size());
    to += path.size();
    if (query_size != 0) {
        *to++ = '?';
        std::memcpy(to, query.data(), query.size());
        to += query.size();
    }
    std::memcpy(to, kRequestLineEnd.data(), kRequestLineEnd.size());
}

void HeadWriter::status_line(unsigned status) noexcept {
    status_line(status, standard_phrase(status));
}

// The SP behind the status stands even without a phrase: RFC 9112 §4.
void HeadWriter::status_line(unsigned status, std::string_view phrase) noexcept {
    constexpr std::string_view kStart = "HTTP/1.1 ";
    if (!require(status >= 100 && status <= 999 && is_field_value(phrase))) return;
    char* to = grow(kStart.size() + 4 + phrase.size() + 2);
    if (!to) return;
    std::memcpy(to, kStart.data(), kStart.size());
    to += kStart.size();
    to[0] = static_cast<char>('0' + status / 100);
    to[1] = static_cast<char>('0' + status / 10 % 10);
    to[2] = static_cast<char>('0' + status % 10);
    to[3] = ' ';
    if (!phrase.empty()) std::memcpy(to + 4, phrase.data(), phrase.size());
    std::memcpy(to + 4 + phrase.size(), "\r\n", 2);
}

void HeadWriter::line(std::string_view name, std::string_view value) noexcept {
    char* to = grow(name.size() + value.size() + 4);
    if (!to) return;
    std::memcpy(to, name.data(), name.size());
    to += name.size();
    *to++ = ':';
    *to++ = ' ';
    if (!value.empty()) std::memcpy(to, value.data(), value.size());
    to += value.size();
    *to++ = '\r';
    *to = '\n';
}

void HeadWriter::field(std::string_view name, std::string_view value) noexcept {
    if (require(is_token(name) && is_field_value(value))) line(name, value);
}

void HeadWriter::joined_field(std::string_view name, std::string_view first,
                              std::string_view second) noexcept {
    if (first.empty()) return field(name, second);
    if (!require(is_token(name) && is_field_value(first) && is_field_value(second))) return;
    append(name);
    append(": ");
    append(first);
    append(", ");
    append(second);
    append("\r\n");
}

size_t write_decimal(uint64_t value, char* out) noexcept {
    char digits[kDecimalMax];
    size_t size = 0;
    do {
        digits[kDecimalMax - ++size] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    std::memcpy(out, digits + kDecimalMax - size, size);
    return size;
}

void HeadWriter::number_field(std::string_view name, uint64_t value) noexcept {
    char digits[kDecimalMax];
    size_t size = write_decimal(value, digits);
    if (require(is_token(name))) line(name, {digits, size});
}

void HeadWriter::received_field(const FieldTable& fields, const Field& field) noexcept {
    std::string_view name = fields.name(field);
    std::string_view value = fields.value(field);
    const char* behind = name.data() + name.size();
    bool usual = field.value_offset == field.name_offset + field.name_size + 2 &&
                 behind[0] == ':' && behind[1] == ' ';
    if (!usual) return line(name, value);
    size_t run = name.size() + 2 + value.size();
    char* to = grow(run + 2);
    if (!to) return;
    std::memcpy(to, name.data(), run);
    to[run] = '\r';
    to[run + 1] = '\n';
}

size_t HeadWriter::reserve_content_length() noexcept {
    append("content-length: ");
    size_t offset = size_;
    append("                   0\r\n");
    return offset;
}

void HeadWriter::set_content_length(size_t offset, uint64_t value) noexcept {
    if (!ok()) return;
    ASSERT(offset + kDecimalMax <= size_);
    char digits[kDecimalMax];
    size_t size = write_decimal(value, digits);
    std::memset(data_ + offset, ' ', kDecimalMax - size);
    std::memcpy(data_ + offset + kDecimalMax - size, digits, size);
}

size_t write_chunk_line(uint64_t chunk_size, char* out) noexcept {
    ASSERT(chunk_size > 0);
    unsigned digits = (67U - static_cast<unsigned>(__builtin_clzll(chunk_size))) / 4;
    for (unsigned i = 0; i < digits; ++i) {
        out[i] = "0123456789abcdef"[chunk_size >> ((digits - 1 - i) * 4) & 15];
    }
    out[digits] = '\r';
    out[digits + 1] = '\n';
    return digits + 2;
}

// The registry of RFC 9110 §15 and its companions.
std::string_view standard_phrase(unsigned status) noexcept {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 102: return "Processing";
        case 103: return "Early Hints";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 203: return "Non-Authoritative Information";
        case 204: return "No Content";
        case 205: return "Reset Content";
        case 206: return "Partial Content";
        case 207: return "Multi-Status";
        case 208: return "Already Reported";
        case 226: return "IM Used";
        case 300: return "Multiple Choices";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 305: return "Use Proxy";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 402: return "Payment Required";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 407: return "Proxy Authentication Required";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 416: return "Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 423: return "Locked";
        case 424: return "Failed Dependency";
        case 425: return "Too Early";
        case 426: return "Upgrade Required";
        case 428: return "Precondition Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 451: return "Unavailable For Legal Reasons";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        case 506: return "Variant Also Negotiates";
        case 507: return "Insufficient Storage";
        case 508: return "Loop Detected";
        case 511: return "Network Authentication Required";
        default: return {};
    }
}

}  // namespace ringtime::http
