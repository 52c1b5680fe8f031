"""Does the provider keep its promises under attack, races and kills? One module per proof: `./vb verify NAME`."""
