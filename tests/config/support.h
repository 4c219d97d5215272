#pragma once
// Folders with files for the tests of configuration, and messages as lists that compare exactly.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostic.h"
#include "config/environment.h"
#include "config/manifest.h"
#include "config/packages.h"
#include "config/yaml_tree.h"

namespace ringtime::config {

/// A temporary folder, removed at the end.
class TempTree {
  public:
    TempTree() {
        char name[] = "/tmp/ringtime-config-XXXXXX";
        root_ = ::mkdtemp(name);
    }
    ~TempTree() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    TempTree(const TempTree&) = delete;
    TempTree& operator=(const TempTree&) = delete;

    /// Writes a file and its folders.
    void write(const std::string& path, std::string_view text) const {
        std::filesystem::path file = root_ + "/" + path;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
    }
    void write_program(const std::string& path) const {
        write(path, "#!/bin/sh\n");
        ::chmod((root_ + "/" + path).c_str(), 0755);
    }
    void link(const std::string& path, const std::string& target) const {
        std::filesystem::path file = root_ + "/" + path;
        std::filesystem::create_directories(file.parent_path());
        std::filesystem::create_symlink(target, file);
    }
    void folder(const std::string& path) const {
        std::filesystem::create_directories(root_ + "/" + path);
    }
    [[nodiscard]] const std::string& root() const { return root_; }
    [[nodiscard]] std::string path(const std::string& inner) const { return root_ + "/" + inner; }

    /// Every message, without the name of the temporary folder.
    [[nodiscard]] std::vector<std::string> messages(const Diagnostics& diagnostics) const {
        std::vector<std::string> lines;
        for (const Diagnostic& diagnostic : diagnostics.list()) {
            std::string line = render(diagnostic);
            std::string prefix = root_ + "/";
            for (size_t at; (at = line.find(prefix)) != std::string::npos;)
                line.erase(at, prefix.size());
            lines.push_back(std::move(line));
        }
        return lines;
    }

  private:
    std::string root_;
};

using Lines = std::vector<std::string>;

inline Lines messages(const Diagnostics& diagnostics) {
    Lines lines;
    for (const Diagnostic& diagnostic : diagnostics.list()) lines.push_back(render(diagnostic));
    return lines;
}

/// A manifest read from text, as the file `m.yaml`.
struct ReadResult {
    Manifest manifest;
    Diagnostics diagnostics;
};

inline ReadResult read(std::string_view text, ManifestPlace place = ManifestPlace::app_folder,
                       const Environment& environment = {}) {
    ReadResult result;
    YamlNode node;
    if (parse_yaml(text, "m.yaml", manifest_limits, node, result.diagnostics)) {
        result.manifest = read_manifest(node, "m.yaml", place, environment, result.diagnostics);
    }
    return result;
}

inline Lines read_messages(std::string_view text, ManifestPlace place = ManifestPlace::app_folder,
                           const Environment& environment = {}) {
    return messages(read(text, place, environment).diagnostics);
}

}  // namespace ringtime::config
