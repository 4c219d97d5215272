#include "config/yaml_tree.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <istream>
#include <stdexcept>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/fd.h"
#include "base/json.h"
#include "config/values.h"

namespace ringtime::config {
namespace {

Position position_of(const YAML::Mark& mark) noexcept {
    return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
}

/// Leaves the parser from inside an event; caught in parse_yaml only.
struct Refusal : std::runtime_error {
    Refusal(Position where, const std::string& text, std::string what_to_do)
        : std::runtime_error(text), at(where), remedy(std::move(what_to_do)) {}
    Position at;
    std::string remedy;
};

/// A stream over memory that is not copied.
struct ViewBuffer : std::streambuf {
    explicit ViewBuffer(std::string_view text) {
        char* begin = const_cast<char*>(text.data());
        setg(begin, begin, begin + text.size());
    }
};

class TreeBuilder final : public YAML::EventHandler {
  public:
    explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

    [[nodiscard]] YamlNode take_root() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (++documents_ > 1) {
            throw Refusal(position_of(mark), "a second document begins here",
                          "a file holds one document: remove the \"---\"");
        }
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        YamlNode node;
        node.at = position_of(mark);
        count(node.at, {1, 0});
        attach(std::move(node), anchor, {1, 0});
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        auto found = anchors_.find(anchor);
        if (found == anchors_.end()) {
            throw Refusal(position_of(mark), "this alias lies inside what it stands for", "");
        }
        count(position_of(mark), found->second.extent);
        attach(found->second.node, 0, found->second.extent);
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        YamlNode node;
        node.at = position_of(mark);
        node.kind = YamlNode::Kind::scalar;
        node.quoted = is_string_tag(node.at, tag);
        if (value.find('\0') != std::string::npos) {
            throw Refusal(node.at, "a value holds a zero byte", "");
        }
        if (!node.quoted && (value == "null" || value == "~" || value.empty())) {
            node.kind = YamlNode::Kind::null;
        }
        node.text = value;
        Extent extent{1, value.size()};
        count(node.at, extent);
        attach(std::move(node), anchor, extent);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(YamlNode::Kind::sequence, mark, tag, anchor);
    }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(YamlNode::Kind::map, mark, tag, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapEnd() override {
        refuse_duplicate_keys(open_.back().node);
        close();
    }

  private:
    /// What a tree takes up.
    struct Extent {
        size_t nodes = 0;
        size_t text_bytes = 0;
    };
    struct Open {
        YamlNode node;
        YAML::anchor_t anchor;
        Extent before;
    };
    struct Anchored {
        YamlNode node;
        Extent extent;
    };

    static bool is_string_tag(Position at, const std::string& tag) {
        // yaml-cpp says "!" for quoted and "?" for plain scalars without a tag.
        if (tag == "!" || tag == "tag:yaml.org,2002:str") return true;
        refuse_unknown_tag(at, tag);
        return false;
    }
    static void refuse_unknown_tag(Position at, const std::string& tag) {
        static constexpr std::string_view core = "tag:yaml.org,2002:";
        if (tag.empty() || tag == "?" || tag == "!" || tag.compare(0, core.size(), core) == 0)
            return;
        throw Refusal(at, fmt::format("the tag {} means nothing here", quote(tag)), "remove it");
    }

    // Few aliases of a long text are as much as many of a short one.
    void count(Position at, Extent extent) {
        static constexpr std::string_view hint = "aliases count as often as they are used";
        total_.nodes += extent.nodes;
        total_.text_bytes += extent.text_bytes;
        if (total_.nodes > limits_.nodes)
            throw Refusal(at, fmt::format("more than {} values", limits_.nodes), std::string(hint));
        size_t most = 4 * limits_.bytes;
        if (total_.text_bytes > most)
            throw Refusal(at, fmt::format("more than {} of text", size_text(most)),
                          std::string(hint));
    }

    void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
              YAML::anchor_t anchor) {
        Position at = position_of(mark);
        refuse_unknown_tag(at, tag);
        if (open_.size() == limits_.depth) {
            throw Refusal(at, fmt::format("nested deeper than {} levels", limits_.depth), "");
        }
        Extent before = total_;
        count(at, {1, 0});
        YamlNode node;
        node.kind = kind;
        node.at = at;
        open_.push_back({std::move(node), anchor, before});
    }

    void close() {
        Open done = std::move(open_.back());
        open_.pop_back();
        done.node.items.shrink_to_fit();
        Extent extent{total_.nodes - done.before.nodes,
                      total_.text_bytes - done.before.text_bytes};
        attach(std::move(done.node), done.anchor, extent);
    }

    void attach(YamlNode node, YAML::anchor_t anchor, Extent extent) {
        if (anchor != 0) {
            count(node.at, extent);
            anchors_.insert_or_assign(anchor, Anchored{node, extent});
        }
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        YamlNode& parent = open_.back().node;
        bool is_key = parent.kind == YamlNode::Kind::map && parent.items.size() % 2 == 0;
        if (is_key) check_key(parent, node);
        parent.items.push_back(std::move(node));
    }

    void check_key(const YamlNode& map, YamlNode& key) const {
        if (key.kind != YamlNode::Kind::scalar && key.kind != YamlNode::Kind::null) {
            throw Refusal(key.at, fmt::format("a key is {}", describe(key.kind)),
                          "keys are words; quote a value that begins with [ or {");
        }
        key.kind = YamlNode::Kind::scalar;
        if (key.text == "<<" && !key.quoted) {
            throw Refusal(key.at, "merge keys (<<) are not part of YAML 1.2",
                          "repeat the keys, or alias the whole value");
        }
        if (map.items.size() / 2 == limits_.map_keys) {
            throw Refusal(key.at, fmt::format("a map has more than {} keys", limits_.map_keys), "");
        }
    }

    static void refuse_duplicate_keys(const YamlNode& map) {
        std::vector<const YamlNode*> keys;
        keys.reserve(map.items.size() / 2);
        for (size_t i = 0; i < map.items.size(); i += 2) keys.push_back(&map.items[i]);
        std::stable_sort(keys.begin(), keys.end(),
                         [](auto* a, auto* b) { return a->text < b->text; });
        auto twin = std::adjacent_find(keys.begin(), keys.end(),
                                       [](auto* a, auto* b) { return a->text == b->text; });
        if (twin == keys.end()) return;
        const YamlNode& first = *twin[0];
        const YamlNode& second = *twin[1];
        throw Refusal(second.at,
                      fmt::format("the key {} stands here a second time", quote(second.text)),
                      fmt::format("the first is on line {}", first.at.line));
    }

    YamlLimits limits_;
    YamlNode root_;
    std::vector<Open> open_;
    std::unordered_map<YAML::anchor_t, Anchored> anchors_;
    Extent total_;
    size_t documents_ = 0;
};

/// Bytes YAML has no place for (YAML 1.2 §5.1): yaml-cpp would take some of them for the file's
/// end.
void refuse_unreadable_bytes(std::string_view text) {
    auto is_control = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
    };
    auto control = std::find_if(text.begin(), text.end(), is_control);
    bool good = control == text.end() && simdjson::validate_utf8(text.data(), text.size());
    if (good) return;
    Position at{1, 1};
    while (!text.empty() && !is_control(text.front())) {
        size_t length = utf8_sequence_length(text);
        if (length == 0) break;
        bool line_ends = text.front() == '\n';
        at = line_ends ? Position{at.line + 1, 1}
                       : Position{at.line, at.column + static_cast<uint32_t>(length)};
        text.remove_prefix(length);
    }
    if (text.empty()) return;
    throw Refusal(
        at, fmt::format("the byte 0x{:02x} is no text", static_cast<unsigned char>(text.front())),
        "save the file as UTF-8");
}

/// What yaml-cpp says, on one line: some of its messages end in the character they complain about.
std::string one_line(std::string text) {
    text.resize(std::min(text.size(), text.find_first_of("\r\n")));
    while (!text.empty() && (text.back() == ' ' || text.back() == ':')) text.pop_back();
    return text;
}

/// A JSON number by its grammar (RFC 8259 §6): no leading zeros, no bare points, no infinities.
bool is_json_number(std::string_view text) noexcept {
    auto digits = [&] {
        size_t count = 0;
        while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
        text.remove_prefix(count);
        return count;
    };
    if (!text.empty() && text.front() == '-') text.remove_prefix(1);
    bool leading_zero = !text.empty() && text.front() == '0';
    size_t whole = digits();
    if (whole == 0 || (leading_zero && whole > 1)) return false;
    if (!text.empty() && text.front() == '.') {
        text.remove_prefix(1);
        if (digits() == 0) return false;
    }
    if (!text.empty() && (text.front() == 'e' || text.front() == 'E')) {
        text.remove_prefix(1);
        if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
        if (digits() == 0) return false;
    }
    return text.empty();
}

void write_json(JsonWriter& json, const YamlNode& node) {
    switch (node.kind) {
        case YamlNode::Kind::null:
            json.null();
            return;
        case YamlNode::Kind::scalar:
            if (!node.quoted && (parse_boolean(node.text) || is_json_number(node.text))) {
                json.raw(node.text);
            } else {
                json.string(node.text);
            }
            return;
        case YamlNode::Kind::sequence:
            json.begin_array();
            for (const YamlNode& item : node.items) write_json(json, item);
            json.end_array();
            return;
        case YamlNode::Kind::map:
            json.begin_object();
            for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
                json.key(node.items[i].text);
                write_json(json, node.items[i + 1]);
            }
            json.end_object();
            return;
    }
}

/// The whole file, or nothing and a reason.
bool read_file(const std::string& path, size_t bytes_max, std::string& out, std::string& reason) {
    // Non-blocking: opening a FIFO somebody left in a package folder must not hang the start.
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        reason = fmt::format("cannot be read: {}", std::strerror(errno));
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        reason = "is not a regular file";
        return false;
    }
    if (static_cast<uint64_t>(status.st_size) > bytes_max) {
        reason =
            fmt::format("has {}, more than the {} allowed",
                        size_text(static_cast<uint64_t>(status.st_size)), size_text(bytes_max));
        return false;
    }
    // One byte more than the size shows a file that grows while it is read.
    out.resize(static_cast<size_t>(status.st_size) + 1);
    size_t filled = 0;
    while (filled < out.size()) {
        ssize_t got = ::read(fd.get(), out.data() + filled, out.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            reason = fmt::format("cannot be read: {}", std::strerror(errno));
            return false;
        }
        if (got == 0) break;
        filled += static_cast<size_t>(got);
    }
    if (filled == out.size()) {
        reason = "changed while it was read";
        return false;
    }
    out.resize(filled);
    return true;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const noexcept {
    if (kind != Kind::map) return nullptr;
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
        if (items[i].text == key) return &items[i + 1];
    }
    return nullptr;
}

std::string_view describe(YamlNode::Kind kind) noexcept {
    switch (kind) {
        case YamlNode::Kind::null:
            return "empty";
        case YamlNode::Kind::scalar:
            return "text";
        case YamlNode::Kind::sequence:
            return "a list";
        case YamlNode::Kind::map:
            return "a map";
    }
    return "empty";
}

bool parse_yaml(std::string_view text, std::string_view file, const YamlLimits& limits,
                YamlNode& root, Diagnostics& diagnostics) {
    if (text.size() > limits.bytes) {
        diagnostics.error(file, {},
                          fmt::format("has {} bytes, more than the {} allowed", text.size(),
                                      size_text(limits.bytes)));
        return false;
    }
    TreeBuilder builder(limits);
    try {
        refuse_unreadable_bytes(text);
        ViewBuffer buffer(text);
        std::istream stream(&buffer);
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
        root = builder.take_root();
        return true;
    } catch (const Refusal& refusal) {
        diagnostics.error(file, refusal.at, refusal.what(), refusal.remedy);
    } catch (const YAML::Exception& error) {
        Position at = error.mark.is_null() ? Position{} : position_of(error.mark);
        std::string fault = one_line(error.msg);
        // Its scanner ends a plain text at `?` within brackets, where globs and queries like to
        // stand.
        std::string remedy =
            fault == "unknown token" ? "quote texts within [] and {} that hold ? or *" : "";
        diagnostics.error(file, at, "this is not YAML: " + fault, std::move(remedy));
    } catch (const std::exception& error) {
        diagnostics.error(file, {}, fmt::format("cannot be read as YAML: {}", error.what()));
    }
    return false;
}

bool load_yaml(const std::string& path, std::string_view shown, const YamlLimits& limits,
               YamlNode& root, Diagnostics& diagnostics) {
    std::string text;
    std::string reason;
    if (!read_file(path, limits.bytes, text, reason)) {
        diagnostics.error(shown, {}, "the file " + reason);
        return false;
    }
    return parse_yaml(text, shown, limits, root, diagnostics);
}

void append_json(std::string& out, const YamlNode& node) {
    JsonWriter json(out);
    write_json(json, node);
}

}  // namespace ringtime::config
