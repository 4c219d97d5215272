#pragma once
// The grammar of RFC 9112 and 9110 once more, in the simplest style: whole messages, strings, one
// rule after the other, nothing shared with the parser it judges. It says what a head means or that
// it is refused; it does not say why, nor does it know unfinished heads.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reference {

struct Head {
    std::string method;
    std::string target;
    std::string host;
    int minor = 0;
    int status = 0;
    std::string reason;
    std::vector<std::pair<std::string, std::string>> fields;
};

inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
inline bool is_tchar(char c) {
    return is_alpha(c) || is_digit(c) ||
           (c != 0 && std::string("!#$%&'*+-.^_`|~").find(c) != std::string::npos);
}
inline bool is_token(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_tchar);
}
/// field-vchar / SP / HTAB
inline bool is_value_char(char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}
inline std::string lower(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return text;
}
inline std::string strip(const std::string& text) {
    size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string::npos) return "";
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}
inline std::vector<std::string> split(const std::string& text, const std::string& by) {
    std::vector<std::string> parts;
    size_t at = 0;
    for (size_t next; (next = text.find(by, at)) != std::string::npos; at = next + by.size()) {
        parts.push_back(text.substr(at, next - at));
    }
    parts.push_back(text.substr(at));
    return parts;
}

inline bool is_ipv4(const std::string& text) {
    std::vector<std::string> parts = split(text, ".");
    if (parts.size() != 4) return false;
    for (const std::string& part : parts) {
        if (part.empty() || part.size() > 3 || !std::all_of(part.begin(), part.end(), is_digit)) {
            return false;
        }
        if (std::stoi(part) > 255 || (part.size() > 1 && part[0] == '0')) return false;
    }
    return true;
}
/// Groups of one side of `::`; -1 when malformed.
inline int ipv6_groups(const std::string& text, bool may_end_in_ipv4) {
    if (text.empty()) return 0;
    int count = 0;
    std::vector<std::string> parts = split(text, ":");
    for (size_t i = 0; i < parts.size(); ++i) {
        bool last = i + 1 == parts.size();
        if (last && may_end_in_ipv4 && is_ipv4(parts[i])) return count + 2;
        if (parts[i].empty() || parts[i].size() > 4) return -1;
        if (!std::all_of(parts[i].begin(), parts[i].end(), is_hex)) return -1;
        ++count;
    }
    return count;
}
inline bool is_ipv6(const std::string& text) {
    size_t gap = text.find("::");
    if (gap == std::string::npos) return ipv6_groups(text, true) == 8;
    int before = ipv6_groups(text.substr(0, gap), false);
    int after = ipv6_groups(text.substr(gap + 2), true);
    return before >= 0 && after >= 0 && before + after <= 7;
}
/// uri-host [ ":" port ]; yields the host.
inline std::optional<std::string> host_of(const std::string& text, bool empty_port_allowed) {
    std::string host;
    std::string rest;
    if (!text.empty() && text[0] == '[') {
        size_t close = text.find(']');
        if (close == std::string::npos || !is_ipv6(text.substr(1, close - 1))) return {};
        host = text.substr(0, close + 1);
    } else {
        host = text.substr(0, text.find(':'));
        for (size_t i = 0; i < host.size(); ++i) {
            char c = host[i];
            if (c == '%') {
                if (i + 2 >= host.size() || !is_hex(host[i + 1]) || !is_hex(host[i + 2])) return {};
                if (host.substr(i, 3) == "%00") return {};
                i += 2;
            } else if (!is_alpha(c) && !is_digit(c) &&
                       (c == 0 || std::string("-._~!$&()*+;=").find(c) == std::string::npos)) {
                return {};
            }
        }
    }
    if (host.empty()) return {};
    rest = text.substr(host.size());
    if (rest.empty()) return host;
    if (rest[0] != ':') return {};
    std::string port = rest.substr(1);
    if (port.empty()) return empty_port_allowed ? std::optional<std::string>(host) : std::nullopt;
    if (port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) return {};
    if (std::stoi(port) > 65535) return {};
    return host;
}

inline bool is_alias(const std::string& name) {
    if (name.find('_') == std::string::npos) return false;
    std::string dashed = lower(name);
    std::replace(dashed.begin(), dashed.end(), '_', '-');
    if (dashed.rfind("x-forwarded-", 0) == 0 || dashed.rfind("x-ringtime-", 0) == 0) return true;
    for (const char* known :
         {"host", "connection", "content-length", "transfer-encoding", "expect", "upgrade", "te",
          "trailer", "keep-alive", "proxy-connection", "http2-settings", "forwarded", "via",
          "x-base", "x-identity", "x-not-found", "x-real-ip", "x-request-id", "x-vhost-tenant"}) {
        if (dashed == known) return true;
    }
    return false;
}

/// Every byte of the text must belong to lines that end in CRLF; yields them without.
inline std::optional<std::vector<std::string>> lines_of(const std::string& text) {
    std::vector<std::string> lines = split(text, "\r\n");
    if (!lines.back().empty()) return {};
    lines.pop_back();
    for (const std::string& line : lines) {
        if (line.find('\r') != std::string::npos || line.find('\n') != std::string::npos) return {};
    }
    return lines;
}

inline bool read_fields(const std::vector<std::string>& lines, size_t first, Head& head) {
    for (size_t i = first; i < lines.size(); ++i) {
        size_t colon = lines[i].find(':');
        if (colon == std::string::npos || !is_token(lines[i].substr(0, colon))) return false;
        std::string value = lines[i].substr(colon + 1);
        if (!std::all_of(value.begin(), value.end(), is_value_char)) return false;
        head.fields.emplace_back(lines[i].substr(0, colon), strip(value));
    }
    return head.fields.size() <= 100;
}

/// A complete request head with its empty line.
inline std::optional<Head> request(std::string text) {
    if (text.size() > 32768) return {};
    for (int i = 0; i < 4 && text.rfind("\r\n", 0) == 0; ++i) text.erase(0, 2);
    std::optional<std::vector<std::string>> lines = lines_of(text);
    if (!lines || lines->size() < 2 || !lines->back().empty()) return {};
    lines->pop_back();
    std::vector<std::string> parts = split((*lines)[0], " ");
    if (parts.size() != 3) return {};
    Head head;
    head.method = parts[0];
    head.target = parts[1];
    if (!is_token(head.method) || head.method.size() > 32) return {};
    if (head.method == "CONNECT" || head.method == "TRACE" || head.method == "PRI") return {};
    if (head.target.empty() || head.target.size() > 8192) return {};
    for (char c : head.target) {
        auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte >= 0x7f || c == '#') return {};
    }
    const std::string& version = parts[2];
    if (version.size() != 8 || version.rfind("HTTP/1.", 0) != 0 || !is_digit(version[7])) return {};
    head.minor = version[7] == '0' ? 0 : 1;
    if (!read_fields(*lines, 1, head)) return {};

    std::vector<std::string> hosts;
    for (auto& [name, value] : head.fields) {
        if (is_alias(name)) return {};
        if (lower(name) == "host") hosts.push_back(value);
    }
    if (hosts.size() > 1 || (hosts.empty() && head.minor == 1)) return {};
    if (!hosts.empty()) {
        std::optional<std::string> host = host_of(hosts[0], true);
        if (!host) return {};
        head.host = *host;
    }
    if (head.target[0] == '/') return head;
    if (head.target == "*") {
        return head.method == "OPTIONS" ? std::optional<Head>(head) : std::nullopt;
    }
    for (std::string scheme : {"http://", "https://"}) {
        if (lower(head.target.substr(0, scheme.size())) != scheme) continue;
        std::string rest = head.target.substr(scheme.size());
        std::string authority = rest.substr(0, rest.find_first_of("/?"));
        if (authority.find('@') != std::string::npos) return {};
        std::optional<std::string> host = host_of(authority, false);
        if (!host || (!hosts.empty() && lower(hosts[0]) != lower(authority))) return {};
        head.host = *host;
        return head;
    }
    return {};
}

/// A complete response head with its empty line.
inline std::optional<Head> response(const std::string& text) {
    if (text.size() > 32768) return {};
    std::optional<std::vector<std::string>> lines = lines_of(text);
    if (!lines || lines->size() < 2 || !lines->back().empty()) return {};
    lines->pop_back();
    const std::string& start = (*lines)[0];
    if (start.size() < 12 || start.rfind("HTTP/1.", 0) != 0 || !is_digit(start[7])) return {};
    if (start[8] != ' ' || !is_digit(start[9]) || !is_digit(start[10]) || !is_digit(start[11])) {
        return {};
    }
    Head head;
    head.minor = start[7] == '0' ? 0 : 1;
    head.status = std::stoi(start.substr(9, 3));
    if (head.status < 100 || head.status > 599) return {};
    if (start.size() > 12) {
        if (start[12] != ' ') return {};
        head.reason = start.substr(13);
        if (!std::all_of(head.reason.begin(), head.reason.end(), is_value_char)) return {};
    }
    if (!read_fields(*lines, 1, head)) return {};
    return head;
}

struct Body {
    std::string data;
    size_t consumed = 0;
};

/// A complete chunked body at the beginning of the text.
// tidy: allow(function-length) one grammar, read from top to bottom
inline std::optional<Body> chunked(const std::string& text) {
    Body body;
    size_t at = 0;
    size_t extensions = 0;
    for (;;) {
        size_t end = text.find("\r\n", at);
        if (end == std::string::npos) return {};
        std::string line = text.substr(at, end - at);
        size_t digits = 0;
        while (digits < line.size() && is_hex(line[digits])) ++digits;
        if (digits == 0 || digits > 16 || line.size() > 4096) return {};
        std::string number = line.substr(0, digits);
        if (digits == 16 && std::string("01234567").find(number[0]) == std::string::npos) return {};
        unsigned long long size = std::stoull(number, nullptr, 16);
        extensions += line.size() - digits;
        if (extensions > 16384) return {};
        // *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
        size_t i = digits;
        auto blanks = [&] {
            while (i < line.size() && (line[i] == ' ' || line[i] == '\t')) ++i;
        };
        auto token = [&] {
            size_t begin = i;
            while (i < line.size() && is_tchar(line[i])) ++i;
            return i > begin;
        };
        while (i < line.size()) {
            blanks();
            if (i == line.size() || line[i++] != ';') return {};
            blanks();
            if (!token()) return {};
            size_t after_name = i;
            blanks();
            if (i == line.size() || line[i] != '=') {
                i = after_name;
                continue;
            }
            ++i;
            blanks();
            if (i < line.size() && line[i] == '"') {
                for (++i;; ++i) {
                    if (i >= line.size() || !is_value_char(line[i])) return {};
                    if (line[i] == '"') break;
                    if (line[i] == '\\' && (++i >= line.size() || !is_value_char(line[i])))
                        return {};
                }
                ++i;
            } else if (!token()) {
                return {};
            }
        }
        at = end + 2;
        if (size == 0) break;
        if (size > text.size() - at || text.compare(at + size, 2, "\r\n") != 0) return {};
        body.data += text.substr(at, size);
        at += size + 2;
    }
    size_t trailer = at;
    Head head;
    for (;;) {
        size_t end = text.find("\r\n", at);
        if (end == std::string::npos) return {};
        std::string line = text.substr(at, end - at);
        at = end + 2;
        if (at - trailer > 8192) return {};
        if (line.empty()) break;
        if (line.find('\r') != std::string::npos || line.find('\n') != std::string::npos) return {};
        if (!read_fields({line}, 0, head)) return {};
    }
    body.consumed = at;
    return body;
}

/// Canonical and forwarded path; nothing when refused.
// tidy: allow(function-length) one grammar, read from top to bottom
inline std::optional<std::pair<std::string, std::string>> path(const std::string& text) {
    auto hex = [](char c) { return is_digit(c) ? c - '0' : (c | 32) - 'a' + 10; };
    if (text.empty() || text[0] != '/') return {};
    // Decode what is unreserved and escape what is outside the grammar, both forms by segments.
    std::vector<std::pair<std::string, std::string>> segments;
    for (const std::string& raw : split(text.substr(1), "/")) {
        std::string canonical;
        std::string forwarded;
        for (size_t i = 0; i < raw.size(); ++i) {
            char c = raw[i];
            auto byte = static_cast<unsigned char>(c);
            if (byte <= 0x20 || byte >= 0x7f || c == '#' || c == '?' || c == '\\') return {};
            if (c == '%') {
                if (i + 2 >= raw.size() || !is_hex(raw[i + 1]) || !is_hex(raw[i + 2])) return {};
                char decoded = static_cast<char>(hex(raw[i + 1]) * 16 + hex(raw[i + 2]));
                if (decoded == 0) return {};
                bool unreserved = is_alpha(decoded) || is_digit(decoded) ||
                                  std::string("-._~").find(decoded) != std::string::npos;
                canonical += unreserved ? std::string(1, decoded) : raw.substr(i, 3);
                forwarded += raw.substr(i, 3);
                i += 2;
            } else if (std::string("\"<>^`{|}").find(c) != std::string::npos) {
                char escaped[4];
                std::snprintf(escaped, sizeof escaped, "%%%02X", byte);
                canonical += escaped;
                forwarded += escaped;
            } else {
                canonical += c;
                forwarded += c;
            }
        }
        segments.emplace_back(canonical, forwarded);
    }
    std::vector<std::pair<std::string, std::string>> kept;
    for (size_t i = 0; i < segments.size(); ++i) {
        const std::string& name = segments[i].first;
        bool dots = name == "." || name == "..";
        if (!dots) kept.push_back(segments[i]);
        if (name == "..") {
            if (kept.empty()) return {};
            kept.pop_back();
        }
        if (dots && i + 1 == segments.size()) kept.emplace_back("", "");
    }
    std::string canonical;
    std::string forwarded;
    for (auto& [a, b] : kept) {
        canonical += "/" + a;
        forwarded += "/" + b;
    }
    // What a sloppier reader would make of it.
    std::string sloppy;
    for (size_t i = 0; i < canonical.size(); ++i) {
        if (canonical[i] == '%') {
            sloppy += static_cast<char>(hex(canonical[i + 1]) * 16 + hex(canonical[i + 2]));
            i += 2;
        } else {
            sloppy += canonical[i];
        }
    }
    std::replace(sloppy.begin(), sloppy.end(), '\\', '/');
    for (std::string segment : split(sloppy, "/")) {
        segment = segment.substr(0, segment.find(';'));
        std::string dots;
        for (size_t i = 0; i < segment.size(); ++i) {
            if (lower(segment.substr(i, 3)) == "%2e") {
                dots += '.';
                i += 2;
            } else {
                dots += segment[i];
            }
        }
        if (dots == "." || dots == "..") return {};
    }
    return std::make_pair(canonical, forwarded);
}

}  // namespace reference
