//! `trainyard demo`: tells its story without a terminal, and again over the directory that it left.

use crate::kit::trainyard;

#[test]
fn it_trains_on_both_samples_and_does_so_again() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let output = trainyard()
            .args(["demo", "--exit", "--port", "0", "--data-dir"])
            .arg(folder.path().join("demo-data"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said.matches("gradients   passed").count(), 2, "{said}");
        assert_eq!(said.matches("  predicted ").count(), 2, "{said}");
        assert_eq!(said.matches("probability").count(), 6, "{said}");
        assert!(said.contains("dashboard   http://127.0.0.1:"), "{said}");
        let accuracies: Vec<f64> = said
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("held out    accuracy "))
            .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(accuracies.len(), 2, "{said}");
        assert!(accuracies.iter().all(|accuracy| *accuracy > 0.9), "{said}");
    }
}
