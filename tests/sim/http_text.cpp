#include "http_text.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace ringtime::sim {

std::string body_of(uint64_t id, size_t size) {
    std::string body(size, '\0');
    uint64_t state = id * 0x9E3779B97F4A7C15U + 1;
    for (char& byte : body) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        byte = static_cast<char>('!' + (state >> 33) % 90);
    }
    return body;
}

std::string in_chunks(std::string_view body, size_t chunk_max) {
    std::string text;
    while (!body.empty()) {
        const std::string_view part = body.substr(0, chunk_max);
        char line[32];
        std::snprintf(line, sizeof line, "%zx\r\n", part.size());
        text.append(line).append(part).append("\r\n");
        body.remove_prefix(part.size());
    }
    return text + "0\r\n\r\n";
}

namespace {

Message malformed(Message message, const char* problem) {
    message.state = Message::State::malformed;
    message.problem = problem;
    return message;
}

// Digits in `base`, nothing else; false when there are none or too many.
bool read_number(std::string_view text, int base, uint64_t& out) {
    if (text.empty() || text.size() > 15) return false;
    out = 0;
    for (const char digit : text) {
        const int value = std::isdigit(static_cast<unsigned char>(digit)) ? digit - '0'
                          : std::isxdigit(static_cast<unsigned char>(digit))
                              ? std::tolower(digit) - 'a' + 10
                              : 99;
        if (value >= base) return false;
        out = out * static_cast<uint64_t>(base) + static_cast<uint64_t>(value);
    }
    return true;
}

const char* read_fields(std::string_view lines, Message& message) {
    while (!lines.empty()) {
        const size_t end = lines.find("\r\n");
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(end + 2);
        const size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) return "a field line without a name";
        std::string name(line.substr(0, colon));
        for (char& letter : name) {
            if (letter == ' ' || letter == '\t') return "a space in a field name";
            letter = static_cast<char>(std::tolower(letter));
        }
        std::string_view value = line.substr(colon + 1);
        while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
        if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
            return "a control character in a field value";
        std::string& known = message.fields[name];
        known += known.empty() ? std::string(value) : ", " + std::string(value);
    }
    return nullptr;
}

Message read_chunks(Message message, std::string_view text, size_t at) {
    for (;;) {
        const size_t end = text.find("\r\n", at);
        if (end == std::string_view::npos) return message;
        uint64_t size = 0;
        if (!read_number(text.substr(at, end - at), 16, size))
            return malformed(message, "a chunk size");
        at = end + 2;
        if (size == 0) break;
        message.body.append(text.substr(std::min(at, text.size()), size));
        if (text.size() < at + size + 2) return message;
        if (text.substr(at + size, 2) != "\r\n") return malformed(message, "a chunk's end");
        at += size + 2;
    }
    if (text.size() < at + 2) return message;
    if (text.substr(at, 2) != "\r\n") return malformed(message, "an unexpected trailer");
    message.state = Message::State::complete;
    message.size = at + 2;
    return message;
}

}  // namespace

Message read_message(std::string_view text, Kind kind, bool ended) {
    Message message;
    const size_t head_end = text.find("\r\n\r\n");
    if (head_end == std::string_view::npos) return message;
    message.has_head = true;
    const size_t line_end = text.find("\r\n");
    message.first_line = std::string(text.substr(0, line_end));
    if (const char* problem =
            read_fields(text.substr(line_end + 2, head_end + 2 - (line_end + 2)), message))
        return malformed(message, problem);
    uint64_t status = 0;
    if (kind != Kind::request) {
        if (!message.first_line.starts_with("HTTP/1.1 ") ||
            !read_number(std::string_view(message.first_line).substr(9, 3), 10, status))
            return malformed(message, "a status line");
        message.status = static_cast<int>(status);
    }
    const size_t at = head_end + 4;
    const std::string length = message.field("content-length");
    const std::string coding = message.field("transfer-encoding");
    if (!length.empty() && !coding.empty()) return malformed(message, "two kinds of framing");
    const bool no_body = kind == Kind::answer_to_head || message.status / 100 == 1 ||
                         message.status == 204 || message.status == 304;
    uint64_t size = 0;
    if (!length.empty() && !read_number(length, 10, size)) return malformed(message, "a length");
    if (!no_body && !coding.empty()) {
        if (coding != "chunked") return malformed(message, "an unknown coding");
        message.framing = Message::Framing::chunked;
        return read_chunks(std::move(message), text, at);
    }
    if (!no_body && length.empty() && kind != Kind::request) {
        message.framing = Message::Framing::until_close;
        message.body = std::string(text.substr(at));
        if (ended) message.state = Message::State::complete;
        message.size = text.size();
        return message;
    }
    if (no_body) size = 0;
    message.framing = size > 0 ? Message::Framing::length : Message::Framing::none;
    message.body = std::string(text.substr(at, size));
    if (text.size() < at + size) return message;
    message.state = Message::State::complete;
    message.size = at + size;
    return message;
}

uint64_t query_number(std::string_view target, std::string_view name, uint64_t missing) {
    size_t at = target.find('?');
    while (at != std::string_view::npos) {
        std::string_view pair = target.substr(at + 1);
        pair = pair.substr(0, pair.find_first_of("& "));
        uint64_t value = 0;
        if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=' &&
            read_number(pair.substr(name.size() + 1), 10, value))
            return value;
        at = target.find('&', at + 1);
    }
    return missing;
}

}  // namespace ringtime::sim
