#include "runtime/live.h"

#include <fmt/core.h>
#include <simdjson.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/fd.h"
#include "base/json.h"
#include "base/limits.h"
#include "config/manifest.h"
#include "config/settings.h"
#include "runtime/admin_client.h"
#include "runtime/admin_socket.h"
#include "runtime/api_keys.h"
#include "runtime/api_text.h"
#include "runtime/archive.h"
#include "runtime/atomic_file.h"

namespace ringtime::runtime {
namespace {

constexpr int kGood = 0;
constexpr int kFailed = 1;

// The sentence of an error answer; all of it when it has another shape.
std::string message_of(const AdminAnswer& answer) {
    simdjson::dom::parser parser;
    std::string_view message;
    if (parser.parse(answer.body)["message"].get(message)) return answer.body;
    return std::string(message);
}

int complain(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    fmt::print(stderr, "ringtime: {}\n", text);
    return kFailed;
}

// What is wrong with files, a line each as `check` prints them, has no program's name before it.
int complain_of_answer(const AdminAnswer& answer) {
    std::string text = message_of(answer);
    constexpr int unprocessable = 422;
    if (answer.status != unprocessable) return complain(text);
    while (text.ends_with('\n')) text.pop_back();
    fmt::print(stderr, "{}\n", text);
    return kFailed;
}

}  // namespace

int pack_command(const std::string& folder, std::string file) {
    std::string manifest = folder + "/manifest.yaml";
    std::error_code fault;
    if (!std::filesystem::exists(manifest, fault)) manifest = folder + "/manifest.yml";
    if (!std::filesystem::is_directory(folder, fault))
        return complain(fmt::format("there is no folder {}", folder));
    if (!std::filesystem::exists(manifest, fault))
        return complain(fmt::format("{} is no package: it has no manifest.yaml", folder));
    config::Diagnostics diagnostics;
    config::YamlNode node;
    if (!config::load_yaml(manifest, manifest, config::manifest_limits, node, diagnostics))
        return complain(fmt::format("{} is no package\n{}", folder, diagnostics.render()));
    if (file.empty()) {
        const config::YamlNode* name = node.find("name");
        auto short_name = config::short_name_of(name ? name->text : "");
        if (!short_name) return complain(fmt::format("{}: a package needs a name", manifest));
        file = *short_name + ".tar.gz";
    }
    PackSummary summary;
    std::string problem;
    if (!pack(folder, file, summary, problem)) return complain(problem);
    fmt::print("{}: {} files, {} in {}\n", file, summary.files, size_text(summary.bytes),
               size_text(summary.packed_bytes));
    return kGood;
}

LiveCommands::LiveCommands(const config::Environment& environment, Format format)
    : format_(format) {
    config::Diagnostics ignored;  // Whatever is wrong with the rest is `check`'s to say.
    config::YamlNode file = config::load_runtime_config(environment, ignored);
    data_dir_ = config::resolve_settings(environment, file, ignored).data_dir;
}

std::string LiveCommands::target(std::string_view path, std::string_view query) const {
    std::string out = fmt::format("/api{}", path);
    if (!query.empty()) out += fmt::format("?{}", query);
    if (format_ == Format::text) out += query.empty() ? "?format=text" : "&format=text";
    return out;
}

int LiveCommands::say_no_gateway(std::string_view problem) const {
    return complain(fmt::format(
        "no gateway is running here ({})\n"
        "  Its admin socket is in its data folder. If it runs with other settings, give the same\n"
        "  to this command: RUNTIME_DATA_DIR, XDG_STATE_HOME, or -c with its configuration file.",
        problem));
}

int LiveCommands::get(std::string_view path, std::string_view query) const {
    return change("GET", path, query, {});
}

int LiveCommands::change(std::string_view method, std::string_view path, std::string_view query,
                         std::string_view body) const {
    AdminAnswer answer;
    std::string problem;
    switch (ask_gateway(admin_socket_path(data_dir_), method, target(path, query), body, answer,
                        problem)) {
        case AdminOutcome::no_gateway: return say_no_gateway(problem);
        case AdminOutcome::failed: return complain(problem);
        case AdminOutcome::answered: break;
    }
    if (answer.status >= 400) return complain_of_answer(answer);
    fmt::print("{}", answer.body);
    return kGood;
}

int LiveCommands::explain(const ExplainQuestion& question) const {
    std::string query = fmt::format("method={}&url={}", percent_encode(question.method),
                                    percent_encode(question.url));
    if (!question.host.empty()) query += fmt::format("&host={}", percent_encode(question.host));
    return get("/explain", query);
}

int LiveCommands::act(std::string_view door, const std::string& which,
                      std::string_view action) const {
    return change("POST", fmt::format("/{}/{}/{}", door, percent_encode(which), action), {}, {});
}

int LiveCommands::remove(std::string_view door, const std::string& name,
                         const std::string& version) const {
    std::string query = version.empty() ? "" : "version=" + percent_encode(version);
    return change("DELETE", fmt::format("/{}/{}", door, percent_encode(name)), query, {});
}

int LiveCommands::upload(std::string_view door, const std::string& path) const {
    std::string file = path, problem, body;
    std::error_code fault;
    bool packs = std::filesystem::is_directory(path, fault);
    if (packs) {
        PackSummary summary;
        file = (std::filesystem::temp_directory_path() / "ringtime-XXXXXX").string();
        Fd made(::mkstemp(file.data()));
        if (!made) return complain(fmt::format("{}: {}", file, std::strerror(errno)));
        if (!pack(path, file, summary, problem)) return complain(problem);
    }
    FileRead read = read_file(file, limits::upload_bytes_max, body, problem);
    if (packs) ::unlink(file.c_str());
    if (read == FileRead::missing) return complain(fmt::format("there is no {}", path));
    if (read == FileRead::failed) return complain(problem);
    return change("POST", fmt::format("/{}", door), {}, body);
}

bool LiveCommands::gateway_runs() const {
    return static_cast<bool>(connect_admin_socket(admin_socket_path(data_dir_)));
}

int LiveCommands::list_keys() const {
    if (gateway_runs()) return get("/keys");
    KeyStore store(keys_path(data_dir_));
    std::string problem;
    if (!store.load(problem)) return complain(problem);
    fmt::print("{}", format_ == Format::text ? keys_text(store.list()) : keys_json(store.list()));
    return kGood;
}

int LiveCommands::create_key(const std::string& name, const std::string& role) const {
    if (gateway_runs()) {
        std::string body;
        JsonWriter json(body);
        json.begin_object().key("name").string(name).key("role").string(role).end_object();
        return change("POST", "/keys", {}, body);
    }
    KeyStore store(keys_path(data_dir_));
    std::string problem;
    ApiKey made;
    auto known = parse_role(role);
    if (!known) return complain("role is viewer, editor or admin");
    if (!make_data_dir(data_dir_, problem) || !store.load(problem)) return complain(problem);
    auto text = store.create(name, *known, made, problem);
    if (!text) return complain(problem);
    fmt::print("{}", format_ == Format::text ? *text + "\n" : new_key_json(made, *text));
    return kGood;
}

int LiveCommands::remove_key(const std::string& which) const {
    if (gateway_runs()) return change("DELETE", "/keys/" + percent_encode(which), {}, {});
    KeyStore store(keys_path(data_dir_));
    std::string problem;
    if (!store.load(problem)) return complain(problem);
    switch (store.remove(which, problem)) {
        case KeyStore::Removal::removed: fmt::print("removed {}\n", which); return kGood;
        case KeyStore::Removal::unknown: return complain(fmt::format("there is no key {}", which));
        case KeyStore::Removal::ambiguous:
            return complain(fmt::format("several keys are called {}: give the id", which));
        case KeyStore::Removal::failed: break;
    }
    return complain(problem);
}

}  // namespace ringtime::runtime
