#include "ticklab/model/xen/vcpu.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ticklab/sim/machine.hpp"

namespace ticklab::xen {

Vcpu::Vcpu(sim::Machine& machine, sim::LockClass& periodic_class, sim::LockClass& device_class,
           std::uint32_t guest_number, std::uint32_t vcpu_number, sim::CpuId first)
    : guest(guest_number),
      number(vcpu_number),
      name(fmt::format("d{}v{}", guest_number, vcpu_number)),
      object(machine.intern(name)),
      processor(first),
      periodic_lock(machine, periodic_class, name + " periodic"),
      device_lock(machine, device_class, name + " device") {}

std::optional<std::uint32_t> take_number(std::string_view& text) {
    constexpr std::size_t kMaxDigits = 6;
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || digits > kMaxDigits || (text[0] == '0' && digits > 1))
        return std::nullopt;
    std::uint32_t n = 0;
    for (const char c : text.substr(0, digits))
        n = n * 10 + static_cast<std::uint32_t>(c - '0');
    text.remove_prefix(digits);
    return n;
}

std::optional<VcpuName> parse_vcpu_name(std::string_view text) {
    const auto take = [&text](char letter) -> std::optional<std::uint32_t> {
        if (!text.starts_with(letter))
            return std::nullopt;
        text.remove_prefix(1);
        return take_number(text);
    };
    const std::optional<std::uint32_t> guest = take('d');
    if (!guest)
        return std::nullopt;
    const std::optional<std::uint32_t> vcpu = take('v');
    if (!vcpu)
        return std::nullopt;
    if (text.empty())
        return VcpuName{*guest, *vcpu, std::nullopt};
    for (std::size_t i = 0; i < kVcpuTimerNames.size(); ++i)
        if (text.starts_with('.') && text.substr(1) == kVcpuTimerNames[i])
            return VcpuName{*guest, *vcpu, static_cast<VcpuTimer>(i)};
    return std::nullopt;
}

}  // namespace ticklab::xen
