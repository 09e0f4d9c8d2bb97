//! What to type on this system to install PostgreSQL.

use nix::unistd::geteuid;

/// The command that installs a server here, ready to be typed.
pub(crate) fn install_command() -> String {
    if cfg!(target_os = "macos") {
        return "brew install postgresql@17".to_owned();
    }
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    command_for(&release, geteuid().is_root())
}

fn command_for(os_release: &str, root: bool) -> String {
    let field = |name: &str| {
        os_release
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
            .unwrap_or_default()
    };
    // ID first, then what the system says it resembles, nearest first.
    let names = format!("{} {}", field("ID"), field("ID_LIKE"));
    let command = names.split_whitespace().find_map(|name| match name {
        "debian" | "ubuntu" => Some("apt-get install postgresql"),
        "rhel" | "centos" => Some("dnf module install postgresql:16/server"),
        "fedora" => Some("dnf install postgresql-server"),
        "alpine" => Some("apk add postgresql"),
        "arch" => Some("pacman -S postgresql"),
        "suse" | "opensuse" => Some("zypper install postgresql-server"),
        _ => None,
    });
    match command {
        Some(command) if root => command.to_owned(),
        Some(command) => format!("sudo {command}"),
        None => "your package manager (see https://www.postgresql.org/download/)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::command_for;

    #[test]
    fn each_family_of_systems_is_told_its_own_command() {
        for (release, command) in [
            ("ID=debian\n", "apt-get install postgresql"),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "apt-get install postgresql"),
            ("NAME=Fedora\nID=fedora\n", "dnf install postgresql-server"),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "dnf module install postgresql:16/server",
            ),
            ("ID=alpine\n", "apk add postgresql"),
            ("ID=manjaro\nID_LIKE=arch\n", "pacman -S postgresql"),
            ("ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n", "zypper install postgresql-server"),
        ] {
            assert_eq!(command_for(release, true), command, "{release}");
            assert_eq!(command_for(release, false), format!("sudo {command}"), "{release}");
        }
    }

    #[test]
    fn an_unknown_system_is_sent_to_the_download_page() {
        assert!(command_for("ID=plan9", true).contains("postgresql.org/download"));
    }
}
