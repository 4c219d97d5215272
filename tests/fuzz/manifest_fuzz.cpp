// Bytes as every kind of configuration file. No input may crash, hang, or give a message that is
// not one line of UTF-8 with its place inside the file.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/json.h"
#include "config/manifest.h"
#include "config/settings.h"
#include "config/yaml_tree.h"

using namespace ringtime;
using namespace ringtime::config;

namespace {

void check_messages(const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics.list()) {
        std::string line = render(diagnostic);
        ASSERT(line.find('\n') == std::string::npos);
        for (std::string_view rest = line; !rest.empty();) {
            size_t length = utf8_sequence_length(rest);
            ASSERT(length > 0);
            rest.remove_prefix(length);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    Environment environment;
    environment.set("SHOP_API_KEY", "secret");
    for (ManifestPlace place :
         {ManifestPlace::plugin_folder, ManifestPlace::app_folder, ManifestPlace::runtime_config}) {
        Diagnostics diagnostics;
        YamlNode node;
        if (parse_yaml(text, "manifest.yaml", manifest_limits, node, diagnostics)) {
            Manifest manifest =
                read_manifest(node, "manifest.yaml", place, environment, diagnostics);
            ASSERT(manifest.base->empty() || is_base(*manifest.base));
        }
        check_messages(diagnostics);
    }
    Diagnostics diagnostics;
    YamlNode node;
    if (parse_yaml(text, "ringtime.yaml", manifest_limits, node, diagnostics)) {
        Settings settings = resolve_settings(environment, node, diagnostics);
        ASSERT(!settings.listen.empty());
    }
    check_messages(diagnostics);
    return 0;
}
