#include "route/pattern_routes.h"

#include <algorithm>
#include <map>

namespace ringtime::route {
namespace {

// In order of precedence: patterns compare by these, segment by segment.
constexpr char segment_literal = 'a';
constexpr char segment_param = 'b';
constexpr char segment_rest = 'c';

[[nodiscard]] bool is_name(std::string_view name) noexcept {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_';
    });
}

}  // namespace

PatternMatch PatternRoutes::match(std::string_view path, uint16_t method_bit) const noexcept {
    PatternMatch match;
    if (path.empty()) path = "/";
    GlobMatch found = match_globs(view_, root_, path, method_bit);
    match.allow = found.methods;
    if (found.payload == none) {
        if (found.methods != 0) match.status = PatternMatch::Status::method_not_allowed;
        return match;
    }
    match.status = PatternMatch::Status::found;
    match.handler = patterns_[found.payload].handler;
    take_params(patterns_[found.payload], path, match);
    return match;
}

void PatternRoutes::take_params(const Pattern& pattern, std::string_view path,
                                PatternMatch& match) const noexcept {
    const Name* name = names_.data() + pattern.first_name;
    size_t from = 1;
    for (unsigned i = 0; i < pattern.segments; ++i) {
        char kind = text_[pattern.kinds + i];
        size_t end =
            kind == segment_rest ? path.size() : std::min(path.find('/', from), path.size());
        if (kind != segment_literal) {
            match.params[match.param_count++] = {{text_.data() + name->text, name->size},
                                                 path.substr(from, end - from)};
            ++name;
        }
        from = end + 1;
    }
}

void PatternRoutesBuilder::add(uint16_t methods, std::string_view pattern, uint32_t handler) {
    pending_.push_back({methods, handler, std::string(pattern), {}, {}, {}});
}

/// Returns what is wrong; empty if nothing is.
std::string PatternRoutesBuilder::parse_segment(std::string_view segment, bool last,
                                                Pending& pattern) {
    auto add_name = [&pattern](std::string_view name) {
        bool known =
            std::find(pattern.names.begin(), pattern.names.end(), name) != pattern.names.end();
        pattern.names.emplace_back(name);
        return known ? "names a parameter twice" : "";
    };
    if (segment.starts_with(':')) {
        if (!is_name(segment.substr(1)))
            return "has a parameter without a name of letters, digits, `_`";
        pattern.items.insert(pattern.items.end(), {'/', item::one, item::run});
        pattern.kinds.push_back(segment_param);
        return add_name(segment.substr(1));
    }
    if (segment.starts_with('*')) {
        if (!last) return "has `*` before its last segment";
        if (segment.size() > 1 && !is_name(segment.substr(1))) return "has a malformed wildcard";
        pattern.items.insert(pattern.items.end(), {'/', item::deep});
        pattern.kinds.push_back(segment_rest);
        return add_name(segment.size() > 1 ? segment.substr(1) : segment);
    }
    if (segment.find_first_of("*?") != std::string_view::npos)
        return "has `*` or `?` inside a segment";
    Glob literal = parse_glob(std::string("/").append(segment));
    if (literal.error) return literal.error;
    pattern.items.insert(pattern.items.end(), literal.items.begin(), literal.items.end());
    pattern.kinds.push_back(segment_literal);
    return "";
}

std::string PatternRoutesBuilder::parse(Pending& pattern) {
    std::string_view text = pattern.text;
    if (pattern.methods == 0) return "has no method";
    if (text.empty() || text[0] != '/') return "must begin with `/`";
    if (text.size() > glob_bytes_max) return "is longer than 512 bytes";
    for (size_t from = 1; from <= text.size();) {
        size_t end = std::min(text.find('/', from), text.size());
        std::string fault =
            parse_segment(text.substr(from, end - from), end == text.size(), pattern);
        if (!fault.empty()) return fault;
        from = end + 1;
    }
    return pattern.names.size() > params_max ? "has more than 16 parameters" : "";
}

void PatternRoutesBuilder::find_conflicts(std::vector<Problem>& problems) const {
    std::map<std::vector<Item>, std::vector<const Pending*>> same;
    for (const Pending& pattern : pending_) {
        auto& others = same[pattern.items];
        for (const Pending* other : others) {
            if ((other->methods & pattern.methods) == 0) continue;
            problems.push_back({Severity::error, ProblemCode::same_pattern, Subject::handler,
                                Subject::handler, other->handler, pattern.handler,
                                "routes `" + other->text + "` and `" + pattern.text +
                                    "` take the same paths with the same method"});
        }
        others.push_back(&pattern);
    }
}

std::unique_ptr<const PatternRoutes> PatternRoutesBuilder::compile(
    std::vector<Problem>& problems) const {
    GlobCompiler compiler(caps_);
    std::vector<PatternRoutes::Pattern> patterns;
    std::vector<PatternRoutes::Name> names;
    std::vector<char> text;
    std::vector<GlobPattern> globs;
    auto add_text = [&text](std::string_view bytes) {
        auto offset = static_cast<uint32_t>(text.size());
        text.insert(text.end(), bytes.begin(), bytes.end());
        return offset;
    };
    for (uint32_t i = 0; i < pending_.size(); ++i) {
        const Pending& pattern = pending_[i];
        globs.push_back({pattern.items, pattern.methods, i});
        patterns.push_back({pattern.handler, add_text(pattern.kinds),
                            static_cast<uint32_t>(names.size()),
                            static_cast<uint16_t>(pattern.kinds.size())});
        for (const std::string& name : pattern.names) {
            names.push_back({add_text(name), static_cast<uint32_t>(name.size())});
        }
    }
    std::unique_ptr<PatternRoutes> routes(new PatternRoutes);
    GlobSet set = compiler.compile_set(globs);
    routes->root_ = compiler.add_tree(set);
    if (!set.refused.empty()) {
        const Pending& pattern = pending_[set.refused.front()];
        problems.push_back(
            {Severity::error, ProblemCode::globs_too_complex, Subject::handler, Subject::nothing,
             pattern.handler, none,
             "route `" + pattern.text + "` and its neighbours need too large an automaton"});
        return nullptr;
    }
    Block block(Block::section_size(compiler.radix.nodes) +
                Block::section_size(compiler.radix.labels) + Block::section_size(compiler.points) +
                Block::section_size(compiler.members) + Block::section_size(compiler.code) +
                Block::section_size(patterns) + Block::section_size(names) +
                Block::section_size(text));
    routes->view_ = {{block.place(compiler.radix.nodes), block.place(compiler.radix.labels)},
                     block.place(compiler.points),
                     block.place(compiler.members),
                     block.place(compiler.code)};
    routes->patterns_ = block.place(patterns);
    routes->names_ = block.place(names);
    routes->text_ = block.place(text);
    routes->block_ = std::move(block);
    return routes;
}

PatternResult PatternRoutesBuilder::build() {
    PatternResult result;
    for (Pending& pattern : pending_) {
        std::string fault = parse(pattern);
        if (fault.empty()) continue;
        result.problems.push_back({Severity::error, ProblemCode::bad_pattern, Subject::handler,
                                   Subject::nothing, pattern.handler, none,
                                   "route `" + pattern.text + "` " + fault});
    }
    std::stable_sort(pending_.begin(), pending_.end(),
                     [](const Pending& a, const Pending& b) { return a.kinds < b.kinds; });
    find_conflicts(result.problems);
    if (result.problems.empty()) result.routes = compile(result.problems);
    pending_.clear();
    return result;
}

}  // namespace ringtime::route
