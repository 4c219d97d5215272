#include "hook/config_values.h"

#include <fmt/core.h>

#include "http/syntax.h"

namespace ringtime::hook {
namespace {

constexpr int levels_max = 32;

/// One pass over the text; each value is noted under its path as it ends.
class Reader {
 public:
    using Values = std::map<std::string, ConfigValue, std::less<>>;
    Reader(std::string_view text, Values& values) : text_(text), values_(values) {}

    bool read() { return value("", 0) && (skip(), at_ == text_.size()); }
    [[nodiscard]] size_t position() const { return at_; }

 private:
    static std::string join(const std::string& path, std::string_view key) {
        return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
    }
    void skip() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos)
            ++at_;
    }
    bool take(char wanted) {
        skip();
        if (at_ == text_.size() || text_[at_] != wanted) return false;
        ++at_;
        return true;
    }
    void note(const std::string& path, ConfigValue::Kind kind, std::string text, size_t count = 0) {
        values_[path] = {kind, std::move(text), count};
    }

    bool value(const std::string& path, int level) {
        using Kind = ConfigValue::Kind;
        skip();
        if (at_ == text_.size() || level > levels_max) return false;
        switch (text_[at_]) {
            case '{':
                return object(path, level);
            case '[':
                return list(path, level);
            case '"': {
                std::string text;
                if (!string(text)) return false;
                note(path, Kind::string, std::move(text));
                return true;
            }
            case 't':
                return word(path, "true", Kind::boolean);
            case 'f':
                return word(path, "false", Kind::boolean);
            case 'n':
                return word(path, "null", Kind::null);
            default:
                return number(path);
        }
    }
    bool word(const std::string& path, std::string_view wanted, ConfigValue::Kind kind) {
        if (text_.substr(at_, wanted.size()) != wanted) return false;
        at_ += wanted.size();
        note(path, kind, std::string(wanted));
        return true;
    }
    bool object(const std::string& path, int level) {
        size_t count = 0;
        ++at_;
        if (!take('}')) {
            do {
                std::string key;
                if (skip(), !string(key) || !take(':') || !value(join(path, key), level + 1))
                    return false;
                ++count;
            } while (take(','));
            if (!take('}')) return false;
        }
        note(path, ConfigValue::Kind::object, {}, count);
        return true;
    }
    bool list(const std::string& path, int level) {
        size_t count = 0;
        ++at_;
        if (!take(']')) {
            do {
                if (!value(join(path, std::to_string(count)), level + 1)) return false;
                ++count;
            } while (take(','));
            if (!take(']')) return false;
        }
        note(path, ConfigValue::Kind::list, {}, count);
        return true;
    }

    bool digits() {
        size_t from = at_;
        while (at_ < text_.size() && http::is_class(text_[at_], http::kDigitChar)) ++at_;
        return at_ > from;
    }
    bool number(const std::string& path) {
        size_t from = at_;
        if (text_[at_] == '-') ++at_;
        bool zero = at_ < text_.size() && text_[at_] == '0';
        size_t first = at_;
        if (!digits() || (zero && at_ - first > 1)) return false;
        if (at_ < text_.size() && text_[at_] == '.' && (++at_, !digits())) return false;
        if (at_ < text_.size() && (text_[at_] | 0x20) == 'e') {
            ++at_;
            if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
            if (!digits()) return false;
        }
        note(path, ConfigValue::Kind::number, std::string(text_.substr(from, at_ - from)));
        return true;
    }

    bool string(std::string& out) {
        if (at_ == text_.size() || text_[at_] != '"') return false;
        for (++at_; at_ < text_.size(); ++at_) {
            char c = text_[at_];
            if (c == '"') return ++at_, true;
            if (static_cast<unsigned char>(c) < 0x20) return false;
            if (c != '\\') {
                out.push_back(c);
            } else if (++at_ == text_.size() || !escape(out)) {
                return false;
            }
        }
        return false;
    }
    bool escape(std::string& out) {
        static constexpr std::string_view kFrom = "\"\\/bfnrt";
        static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
        if (text_[at_] == 'u') return unicode(out);
        size_t index = kFrom.find(text_[at_]);
        if (index == kFrom.npos) return false;
        out.push_back(kTo[index]);
        return true;
    }
    bool hex(unsigned& out) {
        if (text_.size() - at_ < 5) return false;
        out = 0;
        for (int i = 0; i < 4; ++i) {
            unsigned digit = http::hex_value(text_[++at_]);
            if (digit > 15) return false;
            out = out * 16 + digit;
        }
        return true;
    }
    /// Stands on the `u`; leaves on the last digit. A lone surrogate is refused.
    bool unicode(std::string& out) {
        unsigned code = 0;
        if (!hex(code) || (code >= 0xdc00 && code < 0xe000)) return false;
        if (code >= 0xd800 && code < 0xdc00) {
            unsigned low = 0;
            if (text_.substr(at_ + 1, 2) != "\\u") return false;
            at_ += 2;
            if (!hex(low) || low < 0xdc00 || low > 0xdfff) return false;
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        append_utf8(out, code);
        return true;
    }
    static void append_utf8(std::string& out, unsigned code) {
        auto put = [&](unsigned byte) { out.push_back(static_cast<char>(byte)); };
        if (code < 0x80) return put(code);
        if (code < 0x800) {
            put(0xc0 | code >> 6);
        } else {
            if (code < 0x10000) {
                put(0xe0 | code >> 12);
            } else {
                put(0xf0 | code >> 18);
                put(0x80 | (code >> 12 & 0x3f));
            }
            put(0x80 | (code >> 6 & 0x3f));
        }
        put(0x80 | (code & 0x3f));
    }

    std::string_view text_;
    Values& values_;
    size_t at_ = 0;
};

}  // namespace

bool ConfigValues::parse(std::string_view json, std::string& error) {
    json_ = json.empty() ? std::string("{}") : std::string(json);
    values_.clear();
    Reader reader(json_, values_);
    if (!reader.read()) {
        error = fmt::format("not valid JSON at byte {}", reader.position());
        return false;
    }
    if (find("")->kind != ConfigValue::Kind::object) {
        error = "not a JSON object";
        return false;
    }
    return true;
}

const ConfigValue* ConfigValues::find(std::string_view path) const {
    auto found = values_.find(path);
    return found == values_.end() ? nullptr : &found->second;
}

}  // namespace ringtime::hook
