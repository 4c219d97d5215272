#pragma once
// What the command line does with a running gateway: each command is one request to the admin
// socket, whose answer is text for people already, or JSON. Returns exit codes.

#include <string>
#include <string_view>

#include "config/environment.h"
#include "runtime/report.h"

namespace ringtime::runtime {

/// `ringtime pack`: without a gateway. An empty `file`: named after the package, in this folder.
[[nodiscard]] int pack_command(const std::string& folder, std::string file);

class LiveCommands {
 public:
    /// The data folder comes from `environment` and the file RUNTIME_CONFIG names in it.
    LiveCommands(const config::Environment& environment, Format format);

    /// Prints what the gateway answers. 1, with the reason on stderr, when it refuses or none runs.
    [[nodiscard]] int get(std::string_view path, std::string_view query = {}) const;
    [[nodiscard]] int change(std::string_view method, std::string_view path,
                             std::string_view query, std::string_view body) const;
    [[nodiscard]] int explain(const ExplainQuestion& question) const;
    /// A worker or a package, and what to do with it: `POST /workers/12/restart`.
    [[nodiscard]] int act(std::string_view door, const std::string& which,
                          std::string_view action) const;
    [[nodiscard]] int remove(std::string_view door, const std::string& name,
                             const std::string& version) const;
    /// An archive, or a folder that is packed first.
    [[nodiscard]] int upload(std::string_view door, const std::string& path) const;

    /// Keys can be managed before there is a gateway: then in the file itself.
    [[nodiscard]] int list_keys() const;
    [[nodiscard]] int create_key(const std::string& name, const std::string& role) const;
    [[nodiscard]] int remove_key(const std::string& which) const;

 private:
    [[nodiscard]] std::string target(std::string_view path, std::string_view query) const;
    [[nodiscard]] bool gateway_runs() const;
    [[nodiscard]] int say_no_gateway(std::string_view problem) const;

    std::string data_dir_;
    Format format_;
};

}  // namespace ringtime::runtime
