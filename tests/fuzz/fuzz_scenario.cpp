// Any bytes as a scenario file: loading ends, with a scenario or with messages of one line each.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "ticklab/lab/loader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const ticklab::lab::ScenarioLoader loader(ticklab::lab::program_registry());
    std::vector<ticklab::lab::InputError> errors;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const bool loaded = loader.load_text("fuzz.json", text, {}, errors).has_value();
    if (loaded != errors.empty())
        std::abort();
    for (const ticklab::lab::InputError& error : errors)
        if (ticklab::lab::to_text(error).find('\n') != std::string::npos)
            std::abort();
    return 0;
}
