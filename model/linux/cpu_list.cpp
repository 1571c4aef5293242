#include "ticklab/model/linux/cpu_list.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <stdexcept>

namespace ticklab::linux_ {
namespace {

/// Takes a number from the front of `text`.
std::optional<sim::CpuId> take_number(std::string_view& text) {
    sim::CpuId n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{})
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return n;
}

bool take(std::string_view& text, char c) {
    if (!text.starts_with(c))
        return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

std::vector<bool> cpus_listed(std::string_view option, std::string_view list, sim::CpuId cpu_count) {
    std::vector<bool> listed(cpu_count);
    std::string_view rest = list;
    while (!rest.empty()) {
        const std::optional<sim::CpuId> first = take_number(rest);
        const std::optional<sim::CpuId> last = first && take(rest, '-') ? take_number(rest) : first;
        const bool more = take(rest, ',');
        if (!last || *last < *first || *last >= cpu_count || more == rest.empty())
            throw std::invalid_argument(
                fmt::format("kernel.{} is \"{}\", expected CPUs below {} such as \"2-3,5\"", option, list, cpu_count));
        for (sim::CpuId c = *first; c <= *last; ++c)
            listed[c] = true;
    }
    return listed;
}

}  // namespace ticklab::linux_
