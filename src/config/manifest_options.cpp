// Worker options, the sandbox, the hooks' scope and the plugin's own typed configuration.

#include <fmt/core.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/json.h"
#include "config/manifest_parts.h"
#include "config/values.h"
#include "config/words.h"

namespace ringtime::config {
namespace {

void read_workers(MapReader& map, WorkerOptions& worker) {
    const YamlNode* node = map.take("workers");
    if (node && node->kind == YamlNode::Kind::scalar && node->text == "auto") {
        worker.workers = {0, node->at};
    } else {
        map.number("workers", worker.workers, {1, limits::workers_max});
    }
    map.number("workersMax", worker.workers_max, {1, limits::workers_max});
    bool crossed = worker.workers_max.given() && *worker.workers > *worker.workers_max;
    if (crossed) {
        map.error(
            worker.workers_max.at, "workersMax",
            fmt::format("{} is less than workers ({})", *worker.workers_max, *worker.workers));
    }
}

/// A worker that is reused must outlive a request; an idle one should not outlive its own end.
void check_worker_times(MapReader& map, WorkerOptions& worker) {
    if (worker.ephemeral()) return;
    if (*worker.ttl_ms < *worker.timeout_ms) {
        map.error(
            worker.ttl_ms.at, "ttl",
            fmt::format("{} is less than timeout ({})", duration_text(*worker.ttl_ms),
                        duration_text(*worker.timeout_ms)),
            "a worker must live at least as long as one request may take; 0 makes it ephemeral");
        return;
    }
    if (!worker.idle_timeout_ms.given()) {
        worker.idle_timeout_ms.value =
            std::clamp(*worker.idle_timeout_ms, *worker.timeout_ms, *worker.ttl_ms);
        return;
    }
    if (*worker.idle_timeout_ms < *worker.timeout_ms) {
        map.error(
            worker.idle_timeout_ms.at, "idleTimeout",
            fmt::format("{} is less than timeout ({})", duration_text(*worker.idle_timeout_ms),
                        duration_text(*worker.timeout_ms)));
    } else if (*worker.idle_timeout_ms > *worker.ttl_ms) {
        map.context().diagnostics.warning(
            map.context().file, worker.idle_timeout_ms.at,
            fmt::format("idleTimeout: {} is more than ttl ({})",
                        duration_text(*worker.idle_timeout_ms), duration_text(*worker.ttl_ms)),
            "ttl is used");
        worker.idle_timeout_ms.value = *worker.ttl_ms;
    }
}

// --- Typed fields of `config` ---

constexpr std::array<std::pair<std::string_view, FieldType>, 16> kFieldTypes{{
    {"string", FieldType::string},
    {"password", FieldType::password},
    {"number", FieldType::number},
    {"integer", FieldType::integer},
    {"boolean", FieldType::boolean},
    {"select", FieldType::select},
    {"list", FieldType::list},
    {"object", FieldType::object},
    {"duration", FieldType::duration},
    {"size", FieldType::size},
    {"text", FieldType::string},
    {"int", FieldType::integer},
    {"bool", FieldType::boolean},
    {"enum", FieldType::select},
    {"array", FieldType::list},
    {"multiline", FieldType::string},
}};

/// The declaration as it is checked against values; the lasting part is `field`.
struct Declaration {
    ConfigField& field;
    std::vector<Located<std::string>> options;
    double min = -HUGE_VAL;
    double max = HUGE_VAL;
};

bool is_measured_by_length(FieldType type) noexcept {
    return type == FieldType::string || type == FieldType::password || type == FieldType::list;
}

/// Bounds are written in the unit of the field: `min: 1s` for a duration, `max: 10mb` for a size.
void read_bound(MapReader& map, std::string_view key, FieldType type, double& out) {
    Located<uint64_t> whole;
    Located<double> real;
    if (type == FieldType::duration) {
        if (map.duration(key, whole)) out = static_cast<double>(*whole);
    } else if (type == FieldType::size) {
        if (map.size(key, whole)) out = static_cast<double>(*whole);
    } else if (is_measured_by_length(type)) {
        if (map.number(key, whole)) out = static_cast<double>(*whole);
    } else if (type == FieldType::number || type == FieldType::integer) {
        if (map.real(key, real, -HUGE_VAL, HUGE_VAL)) out = *real;
    }
}

bool check_bounds(const FileContext& context, const ValueText& value,
                  const Declaration& declaration, double measure) {
    bool small = measure < declaration.min;
    if (!small && measure <= declaration.max) return true;
    std::string_view what = is_measured_by_length(declaration.field.type)
                                ? (small ? "is too short" : "is too long")
                                : (small ? "is too small" : "is too large");
    context.diagnostics.error(context.file, value.at,
                              fmt::format("{}: {} {}", value.label, quote(value.text), what),
                              fmt::format("the {} is {}", small ? "least" : "most",
                                          small ? declaration.min : declaration.max));
    return false;
}

/// One text as the JSON of its type; empty after an error.
std::string scalar_json(const FileContext& context, const ValueText& value,
                        const Declaration& declaration) {
    std::string json;
    auto whole = [&](std::optional<uint64_t> number) {
        bool good =
            number && check_bounds(context, value, declaration, static_cast<double>(*number));
        return good ? std::to_string(*number) : std::string{};
    };
    switch (declaration.field.type) {
        case FieldType::duration:
            return whole(check_duration(context, value, {}));
        case FieldType::size:
            return whole(check_size(context, value, {}));
        case FieldType::boolean: {
            auto truth = check_boolean(context, value);
            return truth ? (*truth ? "true" : "false") : "";
        }
        case FieldType::number:
        case FieldType::integer: {
            auto number = check_number(context, value, -HUGE_VAL, HUGE_VAL);
            if (!number) return {};
            bool fraction =
                declaration.field.type == FieldType::integer && std::trunc(*number) != *number;
            if (fraction) {
                context.diagnostics.error(
                    context.file, value.at,
                    fmt::format("{}: {} is not a whole number", value.label, quote(value.text)));
                return {};
            }
            if (!check_bounds(context, value, declaration, *number)) return {};
            JsonWriter(json).number(*number);
            return json;
        }
        case FieldType::select: {
            std::vector<std::string_view> words;
            for (const auto& option : declaration.options) words.push_back(*option);
            // That there are none has been said.
            if (!words.empty() && !check_choice(context, value, words)) return {};
            break;
        }
        case FieldType::string:
        case FieldType::password: {
            bool secret = declaration.field.type == FieldType::password;
            ValueText shown{value.label, secret ? "(hidden)" : value.text, value.at};
            double length = static_cast<double>(value.text.size());
            if (!check_bounds(context, shown, declaration, length)) return {};
            break;
        }
        case FieldType::list:
        case FieldType::object:
            break;
    }
    append_json_string(json, value.text);
    return json;
}

/// A value of the manifest, as the JSON of the field's type.
std::string node_json(const FileContext& context, const std::string& label, const YamlNode& node,
                      const Declaration& declaration) {
    FieldType type = declaration.field.type;
    YamlNode::Kind expected = type == FieldType::list     ? YamlNode::Kind::sequence
                              : type == FieldType::object ? YamlNode::Kind::map
                                                          : YamlNode::Kind::scalar;
    if (node.kind != expected) {
        context.diagnostics.error(context.file, node.at,
                                  fmt::format("{} is {}", label, describe(node.kind)),
                                  fmt::format("expected {}", expected == YamlNode::Kind::scalar
                                                                 ? std::string_view("one value")
                                                                 : describe(expected)));
        return {};
    }
    if (expected == YamlNode::Kind::scalar) {
        return scalar_json(context, {label, node.text, node.at}, declaration);
    }
    if (type == FieldType::list) {
        ValueText value{label, "the list", node.at};
        double count = static_cast<double>(node.items.size());
        if (!check_bounds(context, value, declaration, count)) return {};
    }
    std::string json;
    append_json(json, node);
    return json;
}

/// A value of the environment: lists are PATH style, objects are JSON.
std::string variable_json(const FileContext& context, const std::string& variable,
                          std::string_view text, const Declaration& declaration) {
    ValueText value{variable, text, {}};
    if (declaration.field.type == FieldType::list) {
        std::vector<std::string> parts = split_path_list(text);
        if (!check_bounds(context, value, declaration, static_cast<double>(parts.size())))
            return {};
        std::string json;
        JsonWriter writer(json);
        writer.begin_array();
        for (const std::string& part : parts) writer.string(part);
        writer.end_array();
        return json;
    }
    if (declaration.field.type == FieldType::object) {
        simdjson::dom::parser parser;
        simdjson::dom::object object;
        if (parser.parse(simdjson::padded_string(text)).get(object) != simdjson::SUCCESS) {
            context.diagnostics.error(
                context.file, {},
                fmt::format("{}: {} is not a JSON object", variable, quote(text)));
            return {};
        }
        return simdjson::minify(object);
    }
    return scalar_json(context, value, declaration);
}

void read_declaration(MapReader& map, Declaration& declaration) {
    ConfigField& field = declaration.field;
    Located<FieldType> type;
    Located<std::string> text;
    Located<bool> required;
    map.choice("type", type, kFieldTypes);
    field.type = *type;
    if (map.text("label", text)) field.label = *text;
    if (map.text("description", text)) field.description = *text;
    if (map.text("env", text)) {
        field.env = *text;
        if (!is_variable_name(field.env)) {
            map.error(text.at, "env", fmt::format("{} is not a variable's name", quote(field.env)),
                      "expected letters, digits and _, no digit first");
            field.env.clear();
        }
    }
    map.boolean("required", required);
    field.required = *required;
    map.texts("options", declaration.options);
    if (field.type == FieldType::select && declaration.options.empty()) {
        map.error(map.at(), "options", "is missing", "a select needs its choices");
    }
    read_bound(map, "min", field.type, declaration.min);
    read_bound(map, "max", field.type, declaration.max);
    if (const YamlNode* node = map.take("default")) {
        field.default_json = node_json(map.context(), map.label("default"), *node, declaration);
    }
    map.finish();
}

/// A worker inherits nothing, least of all by the word of a manifest that anyone has uploaded.
void forget_variable(const MapReader& map, ConfigField& field) {
    if (field.env.empty()) return;
    map.context().diagnostics.warning(
        map.context().file, field.name.at,
        fmt::format("config.{}: a worker has nothing of the gateway's environment, {} neither",
                    *field.name, field.env),
        "the operator grants variables by name: apps: NAME: env");
    field.env.clear();
}

/// Default, then the manifest's own key, then the environment; the last that is there counts.
void resolve_field(MapReader& map, const YamlNode* given, const Environment& environment,
                   const Declaration& declaration) {
    ConfigField& field = declaration.field;
    using Origin = ConfigField::Origin;
    if (!field.default_json.empty()) {
        field.value_json = field.default_json;
        field.origin = Origin::default_value;
    }
    if (given && given->kind != YamlNode::Kind::null) {
        field.value_json = node_json(map.context(), *field.name, *given, declaration);
        field.origin = Origin::manifest;
    }
    if (field.env.empty()) {
    } else if (auto text = environment.get(field.env)) {
        FileContext context{"environment", map.context().diagnostics};
        field.value_json = variable_json(context, field.env, *text, declaration);
        field.origin = Origin::environment;
    }
    if (field.required && field.origin == Origin::none) {
        std::string remedy =
            field.env.empty()
                ? fmt::format("add a line such as {}: ...", *field.name)
                : fmt::format("set {} in the environment, or {} here", field.env, *field.name);
        map.error(field.name.at, "config", fmt::format("{} has no value", quote(*field.name)),
                  std::move(remedy));
    }
}

void write_own_keys(const std::vector<MapReader::Rest>& rest, const Manifest& manifest,
                    JsonWriter& all, std::string& extra_json) {
    extra_json.clear();
    JsonWriter extra(extra_json);
    extra.begin_object();
    for (const MapReader::Rest& pair : rest) {
        const std::string& key = pair.key->text;
        bool declared = std::any_of(manifest.config.begin(), manifest.config.end(),
                                    [&](const ConfigField& field) { return *field.name == key; });
        if (declared) continue;
        std::string json;
        append_json(json, *pair.value);
        all.key(key).raw(json);
        extra.key(key).raw(json);
    }
    extra.end_object();
}

}  // namespace

void read_worker_options(MapReader& map, WorkerOptions& worker) {
    map.duration("timeout", worker.timeout_ms, {1, kDayMs});
    map.duration("ttl", worker.ttl_ms, {0, 366 * kDayMs});
    map.duration("idleTimeout", worker.idle_timeout_ms, {1, 366 * kDayMs});
    map.number("maxRequests", worker.max_requests, {0, uint64_t{1} << 40});
    read_workers(map, worker);
    map.number("concurrency", worker.concurrency, {1, 65'535});
    Located<bool> low_memory;
    Located<bool> auto_install;
    map.boolean("lowMemory", low_memory);
    map.boolean("autoInstall", auto_install);
    worker.low_memory = *low_memory;
    worker.auto_install = *auto_install;
    check_worker_times(map, worker);
}

void read_sandbox(MapReader& map, Manifest& manifest) {
    const YamlNode* node = map.take("sandbox");
    if (!node) return;
    auto sandbox = std::make_unique<Sandbox>();
    MapReader inner(*node, "sandbox", map.context());
    for (auto [key, paths] :
         {std::pair{"read", &sandbox->read}, std::pair{"write", &sandbox->write}}) {
        inner.texts(key, *paths);
        for (const auto& path : *paths) {
            if (!path->empty() && path->front() == '/') continue;
            inner.error(path.at, key, fmt::format("{} is not an absolute path", quote(*path)),
                        "the app's own folder is readable without being named");
        }
    }
    inner.size("memory", sandbox->memory_bytes, {uint64_t{1} << 20, uint64_t{1} << 50});
    inner.real("cpu", sandbox->cpu, 0.01, 1024);
    Located<uint64_t> uid;
    if (inner.number("uid", uid, {1, UINT32_MAX - 1})) sandbox->uid = static_cast<uint32_t>(*uid);
    inner.finish();
    manifest.sandbox = std::move(sandbox);
}

void read_hooks(MapReader& map, Manifest& manifest) {
    const YamlNode* node = map.take("hooks");
    if (!node) return;
    MapReader inner(*node, "hooks", map.context());
    inner.texts("paths", manifest.hooks.paths);
    inner.texts("except", manifest.hooks.except);
    for (const auto& glob : manifest.hooks.paths) check_glob(map.context(), "hooks.paths", glob);
    for (const auto& glob : manifest.hooks.except) check_glob(map.context(), "hooks.except", glob);
    inner.finish();
}

void read_config(MapReader& map, const Environment& environment, Manifest& manifest) {
    const YamlNode* node = map.take("config");
    std::vector<MapReader::Rest> own = map.rest();
    JsonWriter all(manifest.config_json = "");
    all.begin_object();
    std::vector<std::string_view> declared;
    if (node) {
        MapReader fields(*node, "config", map.context());
        std::vector<MapReader::Rest> pairs = fields.rest();
        manifest.config.reserve(pairs.size());  // Declarations refer to fields.
        for (const MapReader::Rest& pair : pairs) {
            const std::string& name = pair.key->text;
            if (map.knows(name)) {
                fields.error(pair.key->at, name, "is a key of the manifest itself",
                             "give the field another name");
                continue;
            }
            ConfigField& field = manifest.config.emplace_back();
            field.name = {name, pair.key->at};
            Declaration declaration{field, {}};
            MapReader inner(*pair.value, "config." + name, map.context());
            read_declaration(inner, declaration);
            if (manifest.is_worker()) forget_variable(map, field);
            auto given = std::find_if(own.begin(), own.end(),
                                      [&](const auto& rest) { return rest.key->text == name; });
            resolve_field(map, given == own.end() ? nullptr : given->value, environment,
                          declaration);
            if (!field.value_json.empty()) all.key(name).raw(field.value_json);
            declared.push_back(name);
        }
    }
    write_own_keys(own, manifest, all, manifest.extra_json);
    all.end_object();
    map.finish(declared);
}

}  // namespace ringtime::config
